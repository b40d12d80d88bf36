package replay

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"nanofront/internal/recording"
	engine "nanofront/internal/replay"
	"nanofront/internal/terminal"
)

// file is what is known of the recording.
type file struct {
	name    string
	header  recording.Header
	summary recording.Summary
	whole   bool
	late    uint64 // records out of order
}

// say says what is going to be done.
func (f *file) say(w io.Writer, to *target, c *Command) {
	h, s := &f.header, &f.summary
	from := ""
	if h.System != "" {
		from = " from " + terminal.Printable(h.System)
	}
	_, _ = fmt.Fprintf(w, "%s: %s of %s%s, recorded %s\n", f.name, terminal.Count(s.Records, "request"),
		terminal.Duration(time.Duration(s.Last-s.First)), from, h.Created.UTC().Format("2006-01-02 15:04 UTC")) // as all output of a command
	_, _ = fmt.Fprintf(w, "replaying to %s %s, %s\n", to.kind, to.name, c.pace()) // as above
	if slices.Contains(c.Compare, "body") && c.KeyFile == "" {
		why := "without its key (--key-file) "
		if !h.KeyKept {
			why = "as its key was thrown away, "
		}
		_, _ = fmt.Fprintf(w, "%sbodies are compared by their size only, and replaced values not at all\n", why) // as above
	}
}

// pace is how fast, in words.
func (c *Command) pace() string {
	var parts []string
	switch {
	case c.FlatOut:
		parts = append(parts, "flat out")
	case c.Speed == 1:
		parts = append(parts, "at the recorded pace")
	default:
		parts = append(parts, strconv.FormatFloat(c.Speed, 'g', -1, 64)+" times as fast as recorded")
	}
	if c.RateLimit > 0 {
		parts = append(parts, "at most "+terminal.Grouped(c.RateLimit)+" requests/s")
	}
	if c.Loop > 1 {
		parts = append(parts, strconv.Itoa(c.Loop)+" times")
	}
	return strings.Join(parts, ", ")
}

// printResult shows what came of it.
func printResult(s terminal.Screen, f *file, to *target, c *Command, r *engine.Result) {
	claims := !r.TooLate
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "route", Least: 12},
		{Head: "requests", Right: true},
		{Head: "same", Right: true},
		{Head: "differ", Right: true},
		{Head: "failed", Right: true},
		{Head: "not comparable", Right: true, Drop: 1},
		{Head: "p50 then", Right: true, Drop: 2},
		{Head: "now", Right: true, Drop: 2},
		{Head: "p99 then", Right: true},
		{Head: "now", Right: true},
	}}
	for i := range r.Routes {
		addRoute(&t, &r.Routes[i], claims)
	}
	if len(r.Routes) > 1 {
		t.AddCells(append([]terminal.Cell{{Text: "all", Style: terminal.Bold}}, counts(&r.Total)...)...)
	}
	dropped := t.Print(s, s.Width, s.Colours)
	s.Line("")
	explain(s, "then, now", latencies(to, claims))
	if r.Late != nil {
		explain(s, "sent late", fmt.Sprintf("p50 %s, p99 %s, at most %s, of %s%s", micros(r.Late.P50), micros(r.Late.P99), micros(r.Late.Max),
			terminal.Count(r.LateSent, "request"), lateBecause(r)))
	}
	if r.Moved > 0 {
		explain(s, "put off", fmt.Sprintf("%s by --rate-limit, by %s at most; they count as due then", terminal.Count(r.Moved, "request"), terminal.Duration(r.MovedMost)))
	}
	for _, line := range skipped(&r.Skipped) {
		explain(s, "left out", line)
	}
	for _, line := range lacks(f, r) {
		explain(s, "recording", line)
	}
	if len(dropped) > 0 {
		explain(s, "not shown", strings.Join(dropped, ", ")+", for the width")
	}
	took := "took"
	if r.Interrupted {
		took = "interrupted after"
	}
	explain(s, took, terminal.Duration(r.Took))
	warn(s, r)
}

// explain is Screen.Explain with room for the words used here.
func explain(s terminal.Screen, word, means string) {
	if utf := 12 - len(word); utf < 2 {
		means = strings.Repeat(" ", max(0, 2-utf)) + means
	}
	s.Explain(word, means)
}

// warn says what must not be overlooked.
func warn(s terminal.Screen, r *engine.Result) {
	paint := terminal.Palette(s.Colours)
	if r.TooLate {
		s.Line("%s", paint.Paint(terminal.Yellow, "! the replay itself was too late, so latencies aren't shown: "+remedy(r)))
	}
	if r.Total.Requests > 0 && r.Total.Unknown == r.Total.Requests {
		s.Line("%s", paint.Paint(terminal.Yellow, "! nothing was compared: the recording has no answer to any of these requests"))
	}
}

// remedy is what to do against being late.
func remedy(r *engine.Result) string {
	switch {
	case r.Busy > r.LateSent/200 && r.Busy >= r.Behind:
		return "connections were all busy when requests were due; allow more with --connections, or the target can't keep up with that pace"
	case r.Behind > r.LateSent/200:
		return "the recording couldn't be read fast enough; lower --speed, or put it on a faster disk"
	}
	return "this machine was too busy; leave it a core, or lower --speed"
}

func lateBecause(r *engine.Result) string {
	var parts []string
	if r.Busy > 0 {
		parts = append(parts, terminal.Grouped(r.Busy)+" as all connections were busy")
	}
	if r.Behind > 0 {
		parts = append(parts, terminal.Grouped(r.Behind)+" as they had not been read yet")
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

func addRoute(t *terminal.Table, r *engine.Route, claims bool) {
	row := append([]terminal.Cell{{Text: terminal.Printable(r.Name)}}, counts(&r.Counts)...)
	if claims && r.Then != nil && r.Now != nil {
		for _, us := range []int64{r.Then.P50, r.Now.P50, r.Then.P99, r.Now.P99} {
			row = append(row, terminal.Cell{Text: micros(us)})
		}
	}
	t.AddCells(row...)
	for _, h := range r.Hows {
		t.Note(fmt.Sprintf("%s × %s", terminal.Grouped(h.Count), h.What), terminal.Plain)
	}
	if r.Refused > 0 {
		t.Note(fmt.Sprintf("%s were refused: 503 or 429, which the recording hasn't", terminal.Grouped(r.Refused)), terminal.Plain)
	}
	for _, cause := range slices.Sorted(maps.Keys(r.FailedBy)) {
		t.Note(fmt.Sprintf("%s × %s", terminal.Grouped(r.FailedBy[cause]), causeText[cause]), terminal.Plain)
	}
	for _, sm := range r.Samples {
		id := ""
		if sm.ID != "" {
			id = " (recorded as " + terminal.Printable(sm.ID) + ")"
		}
		t.Note(fmt.Sprintf("%s %s: %s%s", sm.Method, terminal.Clip(terminal.Printable(sm.Target), 100), terminal.Printable(sm.What), id), terminal.Faint)
	}
}

// causeText says what a cause means.
var causeText = map[string]string{
	engine.Connect.String():  "no connection",
	engine.Reset.String():    "the connection broke before the answer",
	engine.Timeout.String():  "no answer in time",
	engine.Protocol.String(): "what came is no HTTP",
	engine.Refused.String():  "refused by the bus: no instance, or all have as much as they take",
	engine.Failed.String():   "an error of the bus",
	engine.Aborted.String():  "aborted, as the replay was interrupted",
}

// counts are the cells of what became of requests.
func counts(c *engine.Counts) []terminal.Cell {
	bad := func(n uint64) terminal.Cell {
		cell := terminal.Cell{Text: terminal.Grouped(n)}
		if n > 0 {
			cell.Style = terminal.Red
		}
		return cell
	}
	cells := []terminal.Cell{{Text: terminal.Grouped(c.Requests)}, {Text: terminal.Grouped(c.Same)}, bad(c.Differ), bad(c.Failed.Total()), {}}
	if c.Unknown > 0 {
		cells[4].Text = terminal.Grouped(c.Unknown)
	}
	return cells
}

// latencies says what then and now are of.
func latencies(to *target, claims bool) string {
	if !claims {
		return "latencies aren't shown"
	}
	seen := "from here, with the link between"
	if to.kind == "front" {
		seen = "from here, with the front and the link between"
	}
	return "latency of answers that are the same: then as the instance measured it, now as seen " + seen
}

func skipped(s *engine.Skipped) (lines []string) {
	for _, m := range slices.Sorted(maps.Keys(s.Methods)) {
		lines = append(lines, fmt.Sprintf("%s × %s: it may change data (--unsafe %s sends it)", terminal.Grouped(s.Methods[m]), m, m))
	}
	if s.Other > 0 {
		lines = append(lines, terminal.Count(s.Other, "request")+" that went elsewhere: to another service, or from handler to handler")
	}
	if s.Unsound > 0 {
		lines = append(lines, terminal.Count(s.Unsound, "request")+" that can't be sent as HTTP")
	}
	return lines
}

// lacks says what the recording lacks.
func lacks(f *file, r *engine.Result) (lines []string) {
	add := func(n uint64, noun, what string) {
		if n > 0 {
			lines = append(lines, terminal.Count(n, noun)+" "+what)
		}
	}
	l := &f.summary.Lost
	add(l.Tap, "frame", "lost by the instances' taps")
	add(l.Here, "frame", "lost by the recorder")
	add(l.Unanswered, "request", "without an answer")
	add(l.Unasked, "answer", "without a request, which are not replayed")
	add(l.Refused, "request", "not recorded: not HTTP, or too large")
	add(l.Cut, "body", "not copied whole: only the beginning is compared")
	add(f.late, "record", "out of order")
	if h := &f.header; h.Share < 1 {
		lines = append(lines, fmt.Sprintf("%s %% of the requests were recorded", strconv.FormatFloat(h.Share*100, 'g', 3, 64)))
	}
	if !f.whole {
		lines = append(lines, "not closed by the recorder: its end may be missing")
	}
	if r.Skipped.Damaged > 0 {
		lines = append(lines, fmt.Sprintf("%s can't be read: %v", terminal.Count(r.Skipped.Damaged, "block"), r.Damage))
	}
	return lines
}

func micros(us int64) string { return terminal.Duration(time.Duration(us) * time.Microsecond) }
