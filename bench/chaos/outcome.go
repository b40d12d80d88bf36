package chaos

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
	"nanofront/internal/terminal"
)

// Outcome is what the faults have done.
type Outcome struct {
	Started time.Time
	Elapsed time.Duration
	Rate    float64
	Rows    []Row
}

// Row is what one fault has done.
type Row struct {
	Fault *Fault
	// Skipped says why it didn't happen.
	Skipped string

	Reads, Writes Counts
	// Done is how many writes are in the ledgers, Twice how many more than once.
	Done, Twice int
	// Times is how often the fault has happened.
	Times int
	// P99 are of reads that were answered, in each part of the time, from the planned time; Tail is
	// P99.9 during the fault.
	Calm, During, After, Tail time.Duration
	// Refusal is the P99 of the times, from sending, in which reads were refused during the fault.
	Refusal time.Duration
	// First is how long after the fault a new client had its first answer.
	First time.Duration
	// Copies is the share of requests that were sent to a second instance too.
	Copies float64
	// Back is how long after the fault the last request was refused or lost, in whole seconds.
	Back time.Duration
	// Wrong is what the books say against it, Costs what the expectation does.
	Wrong, Costs []string
	// Examples are the first failures of each kind.
	Examples []string
	// Noisy: the machine had other work to do, as the load or its beginning shows. What the fault
	// has cost says nothing then; books are to be right all the same.
	Noisy bool
}

// All are reads and writes.
func (r *Row) All() Counts { return r.Reads.plus(r.Writes) }

// mostDelay is how late the load may be before the machine is taken for busy: 99 of 100 requests
// leave within it.
const mostDelay = 20 * time.Millisecond

// verdict is a word about it.
func (r *Row) verdict() (word string, style terminal.Style) {
	switch {
	case len(r.Wrong) > 0:
		return "WRONG BOOKS", terminal.Red
	case len(r.Costs) == 0:
		return "ok", terminal.Green
	case r.Noisy:
		return "noise", terminal.Yellow
	}
	return "TOO MUCH", terminal.Red
}

// bad reports whether that is the system's fault.
func (r *Row) bad() bool { return len(r.Wrong) > 0 || len(r.Costs) > 0 && !r.Noisy }

// why is what speaks against it, and how requests failed then.
func (r *Row) why() []string {
	list := slices.Concat(r.Wrong, r.Costs)
	if len(list) > 0 {
		slices.Sort(r.Examples)
		list = append(list, slices.Compact(r.Examples)...)
	}
	return list
}

// times reads the times from the loads' seconds.
func (r *Row) times(o *Options, reads, writes *load.Result) {
	healed := o.Calm + o.Fault
	at := func(h *hdrhistogram.Histogram, q float64) time.Duration {
		return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond
	}
	for i, to := range []*time.Duration{&r.Calm, &r.During, &r.After} {
		if i < len(reads.Steps) {
			*to = at(reads.Steps[i].Latency, 99)
		}
	}
	if len(reads.Steps) > 1 {
		r.Tail, r.Refusal = at(reads.Steps[1].Latency, 99.9), at(reads.Steps[1].Refused, 99)
	}
	for _, l := range []*load.Result{reads, writes} {
		for cause, text := range l.Examples {
			r.Examples = append(r.Examples, fmt.Sprintf("%v: %s", cause, text))
		}
		r.Noisy = r.Noisy || l.Delay.ValueAtQuantile(99) > mostDelay.Microseconds()
	}
	for _, s := range slices.Concat(reads.Series, writes.Series) {
		r.Noisy = r.Noisy || s.Start < o.Calm && s.Errors.Total() > 0
		if end := s.Start + s.Length; s.Errors.Total() > 0 && end > healed {
			r.Back = max(r.Back, (end - healed).Round(time.Second))
		}
	}
}

// unexpected is what the fault has cost beyond what it may, at so many times the usual rate.
func (r *Row) unexpected(scale float64) (wrong []string) {
	e := &r.Fault.Expect
	for _, c := range []struct {
		what string
		got  uint64
		most int
	}{{"reads", r.Reads.Lost(), e.ReadsLost}, {"writes", r.Writes.Lost(), e.WritesLost}} {
		if most := float64(c.most) * max(scale, 1); c.most != Any && float64(c.got) > most {
			wrong = append(wrong, fmt.Sprintf("%d %s were lost, %.0f may be", c.got, c.what, most))
		}
	}
	all := r.All()
	if share := float64(all.Refused) / float64(max(all.Sent, 1)); share > e.Refused {
		wrong = append(wrong, fmt.Sprintf("%.1f %% were refused, %.1f %% may be", 100*share, 100*e.Refused))
	}
	if e.Within > 0 && r.Back > e.Within {
		wrong = append(wrong, fmt.Sprintf("requests were refused or lost for another %v, %v may be", r.Back, e.Within))
	}
	return wrong
}

// line is the row in a line, for whoever waits.
func (r *Row) line() string {
	switch {
	case r.Skipped != "":
		return r.Fault.Name + ": left out: " + r.Skipped
	case len(r.Wrong)+len(r.Costs) == 0:
		return r.Fault.Name + ": ok"
	}
	word, _ := r.verdict()
	return r.Fault.Name + ": " + word + ": " + strings.Join(slices.Concat(r.Wrong, r.Costs), "; ")
}

// Bad is how many faults have left wrong books, or cost more than they may.
func (o *Outcome) Bad() (n int) {
	for i := range o.Rows {
		if o.Rows[i].bad() {
			n++
		}
	}
	return n
}

// Headline says how it went in a line.
func (o *Outcome) Headline() string {
	var skipped, noisy, ok int
	for i := range o.Rows {
		r := &o.Rows[i]
		switch {
		case r.Skipped != "":
			skipped++
		case r.bad():
		case len(r.Costs) > 0:
			noisy++
		default:
			ok++
		}
	}
	text := fmt.Sprintf("%d of %d faults cost no more than they may", ok, len(o.Rows)-skipped)
	if noisy > 0 {
		text += fmt.Sprintf("; %d can't be told, as the machine had other work to do", noisy)
	}
	if skipped > 0 {
		text += fmt.Sprintf("; %d couldn't happen here", skipped)
	}
	return text
}

// columns of the table, on the terminal and in HTML.
var columns = []struct {
	head, help string
	left       bool
	drop       int
	cell       func(*Row) string
}{
	{"fault", "what happened", true, 0, func(r *Row) string { return r.Fault.Name }},
	{"times", "how often it happened", false, 7, func(r *Row) string { return terminal.Grouped(r.Times) }},
	{"sent", "requests that were sent", false, 5, func(r *Row) string { return terminal.Grouped(r.All().Sent) }},
	{"answered", "with what was asked for", false, 0, func(r *Row) string { return terminal.Grouped(r.All().Answered) }},
	{"refused", "with 503", false, 0, func(r *Row) string { return terminal.Grouped(r.All().Refused) }},
	{"timed out", "with 504, or not answered in 5 s", false, 0, func(r *Row) string { return terminal.Grouped(r.All().TimedOut) }},
	{"failed", "with another status, or without a response", false, 0, func(r *Row) string { return terminal.Grouped(r.All().Failed) }},
	{"writes lost", "writes among those that timed out and failed", false, 4, func(r *Row) string { return terminal.Grouped(r.Writes.Lost()) }},
	{"twice", "writes that handlers did more than once", false, 0, func(r *Row) string { return terminal.Grouped(r.Twice) }},
	{"p99 calm", "of reads, before the fault", false, 3, func(r *Row) string { return took(r.Calm) }},
	{"p99 fault", "of reads, during the fault", false, 2, func(r *Row) string { return took(r.During) }},
	{"p99.9 fault", "of reads, during the fault", false, 8, func(r *Row) string { return took(r.Tail) }},
	{"refusal", "p99 of the time in which a read was refused during the fault, from sending", false, 9, func(r *Row) string { return took(r.Refusal) }},
	{"p99 after", "of reads, after it", false, 6, func(r *Row) string { return took(r.After) }},
	{"first after", "how long after the fault a new client had its first answer", false, 10, func(r *Row) string { return took(r.First) }},
	{"copies", "share of requests that were sent to a second instance too", false, 11, func(r *Row) string {
		if r.Fault.Front {
			return ""
		}
		return fmt.Sprintf("%.1f %%", 100*r.Copies)
	}},
	{"back after", "how long after the fault requests were still refused or lost, in whole seconds", false, 1, func(r *Row) string { return r.Back.String() }},
	{"verdict", "ok; TOO MUCH, if it cost more than it may; noise, if the machine had other work to do then; WRONG BOOKS", true, 0, func(r *Row) string {
		word, _ := r.verdict()
		return word
	}},
}

// took is a time, or nothing if there was no answer.
func took(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return terminal.Duration(d)
}

// Print writes the table for a terminal of that many columns.
func (o *Outcome) Print(w io.Writer, width int, colours bool) {
	t := &terminal.Table{}
	for _, c := range columns {
		t.Columns = append(t.Columns, terminal.Column{Head: c.head, Right: !c.left, Drop: c.drop})
	}
	for i := range o.Rows {
		r := &o.Rows[i]
		if r.Skipped != "" {
			t.AddCells(terminal.Cell{Text: r.Fault.Name, Style: terminal.Faint})
			t.Note("  left out: "+r.Skipped, terminal.Faint)
			continue
		}
		cells := make([]terminal.Cell, len(columns))
		for j, c := range columns {
			cells[j].Text = c.cell(r)
		}
		_, style := r.verdict()
		cells[len(cells)-1].Style = style
		t.AddCells(cells...)
		for _, why := range r.why() {
			t.Note("  "+why, style)
		}
	}
	_, _ = fmt.Fprintf(w, "%s\n\n", terminal.Palette(colours).Paint(terminal.Bold, o.Headline())) // as all output of a command
	t.Print(w, width, colours)
}
