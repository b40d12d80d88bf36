package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
	"nanofront/internal/terminal"
)

// printSummary prints a result for people.
func printSummary(w io.Writer, r *load.Result, lateAfter time.Duration) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // as all output of a command
	loop := r.Mode + " loop"
	if r.Interrupted {
		loop += ", interrupted"
	}
	say("%s  %s, %v counted, %s, %s\n\n", r.URL, loop, r.Duration.Round(time.Millisecond), terminal.Count(r.Connections, "connection"), terminal.Count(r.Workers, "thread"))
	line := func(name string, n uint64, rate float64, text string) {
		shown := terminal.Nothing
		if r.Duration > 0 {
			shown = terminal.Grouped(uint64(max(0, rate) + 0.5))
		}
		say("  %-9s %12s/s   %s%s\n", name, shown, terminal.Grouped(n), text)
	}
	if r.Mode == "open" {
		line("planned", r.Planned, float64(r.Planned)/r.Duration.Seconds(), " requests")
		text := ", " + terminal.Grouped(r.Late) + " of them more than " + lateAfter.String() + " late"
		if r.Unsent > 0 {
			text += "; " + terminal.Grouped(r.Unsent) + " not sent within the time: all connections were busy"
		}
		line("sent", r.Sent, r.SentRate(), text)
	} else {
		line("sent", r.Sent, r.SentRate(), " requests")
	}
	line("ok", r.OK, r.Throughput(), " answered as expected")
	if n := r.Errors.Total(); n > 0 {
		say("  %-9s %12s     %s\n", "failed", terminal.Grouped(n), errorText(&r.Errors))
		for _, c := range slices.Sorted(maps.Keys(r.Examples)) {
			say("  %24s   %s, first: %s\n", "", c, r.Examples[c])
		}
	}
	printLatencies(w, r)
	printOverTime(w, r)
	if len(r.Steps) > 1 {
		printSteps(w, r)
	}
	if len(r.Entries) > 1 {
		printEntries(w, r)
	}
	cpu := terminal.Nothing
	if r.Sent > 0 {
		cpu = r.CPUPerRequest().Round(10 * time.Nanosecond).String()
	}
	say("\n  cost: %s of CPU for a request here; %s in, %s out; %s connections opened\n", cpu,
		speed(r.BytesIn, r.Duration), speed(r.BytesOut, r.Duration), terminal.Grouped(r.Opened))
	if r.Stray > 0 {
		say("  the server sent what nobody had asked for %s times\n", terminal.Grouped(r.Stray))
	}
	if r.Clipped > 0 {
		say("  %s times were over %d s, and count as that\n", terminal.Grouped(r.Clipped), load.HistogramHighest/1_000_000)
	}
	if r.Mode == "closed" {
		say("  a closed loop waits for answers before it sends: it shows what the server can do, not what users would see\n")
	}
}

// newTable is a table of figures between a name and a note.
func newTable(heads ...string) *terminal.Table {
	t := &terminal.Table{Columns: []terminal.Column{{}}}
	for _, h := range heads {
		t.Columns = append(t.Columns, terminal.Column{Head: h, Right: true})
	}
	t.Columns = append(t.Columns, terminal.Column{})
	return t
}

func printTable(w io.Writer, t *terminal.Table) {
	_, _ = fmt.Fprintln(w) // as all output of a command
	t.Print(w, 0, terminal.Colours(w))
}

func printLatencies(w io.Writer, r *load.Result) {
	t := newTable("mean", "p50", "p90", "p99", "p99.9", "p99.99", "max")
	row := func(name string, h *hdrhistogram.Histogram, note string) {
		if h.TotalCount() > 0 {
			t.Add("  "+name, micros(int64(h.Mean()+0.5)), quantile(h, 50), quantile(h, 90), quantile(h, 99), quantile(h, 99.9), quantile(h, 99.99), quantile(h, 100), note)
		}
	}
	if r.Mode == "open" {
		row("latency", r.Latency, "from the planned time")
		row("service", r.Service, "from when it was sent")
		row("delay", r.Delay, "from plan to sending")
	} else {
		row("latency", r.Latency, "from when it was sent")
	}
	row("failed", r.Failed, "until the failure")
	printTable(w, t)
}

const (
	// leastSeconds are needed for a line over time to say anything.
	leastSeconds = 3
	overTime     = 60 // characters of it
)

// printOverTime draws rate and p99 second by second.
func printOverTime(w io.Writer, r *load.Result) {
	var rates, p99s []float64
	for i := range r.Series {
		if s := &r.Series[i]; s.Start < r.Duration && s.Length > 0 {
			rates = append(rates, float64(s.OK)/s.Length.Seconds())
			p99s = append(p99s, milliseconds(s.P99))
		}
	}
	if len(rates) < leastSeconds {
		return
	}
	t := newTable("least", "most")
	for _, l := range []struct {
		name   string
		values []float64
		text   func(float64) string
	}{
		{"ok/s", rates, func(v float64) string { return terminal.Grouped(int64(v + 0.5)) }},
		{"p99", p99s, func(v float64) string { return micros(int64(v*1e3 + 0.5)) }},
	} {
		known := slices.DeleteFunc(slices.Clone(l.values), math.IsNaN)
		least, most := terminal.Nothing, terminal.Nothing
		if len(known) > 0 {
			least, most = l.text(slices.Min(known)), l.text(slices.Max(known))
		}
		t.Add("  "+l.name, least, most, terminal.Sparkline(l.values, overTime))
	}
	printTable(w, t)
}

// milliseconds is a latency of a second in which something was answered, and no number otherwise.
func milliseconds(us int64) float64 {
	if us <= 0 {
		return math.NaN()
	}
	return float64(us) / 1e3
}

func printSteps(w io.Writer, r *load.Result) {
	t := newTable("planned/s", "ok/s", "late", "unsent", "failed", "p50", "p99", "p99.9", "max")
	for i := range r.Steps {
		s := &r.Steps[i]
		t.Add("  "+s.Name(), terminal.Grouped(uint64(s.Offered()+0.5)), terminal.Grouped(uint64(s.Throughput()+0.5)), terminal.Grouped(s.Late), terminal.Grouped(s.Unsent), terminal.Grouped(s.Errors.Total()),
			quantile(s.Latency, 50), quantile(s.Latency, 99), quantile(s.Latency, 99.9), quantile(s.Latency, 100), errorText(&s.Errors))
	}
	printTable(w, t)
}

func printEntries(w io.Writer, r *load.Result) {
	t := newTable("sent", "ok", "failed", "p50", "p99", "max")
	for i := range r.Entries {
		e := &r.Entries[i]
		t.Add("  "+e.Name, terminal.Grouped(e.Sent), terminal.Grouped(e.OK), terminal.Grouped(e.Errors.Total()),
			quantile(e.Latency, 50), quantile(e.Latency, 99), quantile(e.Latency, 100), errorText(&e.Errors))
	}
	printTable(w, t)
}

// errorText is counts by cause, the largest first.
func errorText(e *load.Errors) string {
	m := e.Map()
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	for i, n := range names {
		names[i] = n + " " + terminal.Grouped(m[n])
	}
	return strings.Join(names, ", ")
}

// quantile of a histogram of µs; 100 is the maximum.
func quantile(h *hdrhistogram.Histogram, q float64) string {
	if q == 100 {
		return micros(h.Max())
	}
	return micros(h.ValueAtQuantile(q))
}

// micros is a time in µs; 0 is none at all, since the least that is measured is 1.
func micros(us int64) string {
	if us <= 0 {
		return terminal.Nothing
	}
	return terminal.Duration(time.Duration(us) * time.Microsecond)
}

// speed is bytes per second.
func speed(n uint64, d time.Duration) string {
	if d <= 0 {
		return terminal.Nothing
	}
	v, unit := float64(n)/d.Seconds(), "B"
	for _, u := range []string{"kB", "MB", "GB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, u
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit + "/s"
}
