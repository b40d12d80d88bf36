package bus

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nanofront/internal/terminal"
	"nanofront/nanobus"
	"nanofront/trace"
)

// barWidth is how many characters stand for the whole of a request's time.
const barWidth = 40

// stage is one part of a request's time.
type stage struct {
	name string
	of   func(*nanobus.Timing) time.Duration
}

// stages are a request's, in their order; they add up to the total, the last.
var stages = []stage{
	{"queue", func(t *nanobus.Timing) time.Duration { return t.Queue }},
	{"bus out", func(t *nanobus.Timing) time.Duration { return t.BusOut }},
	{"handler queue", func(t *nanobus.Timing) time.Duration { return t.HandlerQueue }},
	{"handler", func(t *nanobus.Timing) time.Duration { return t.Handler }},
	{"bus back", func(t *nanobus.Timing) time.Duration { return t.BusBack }},
	{"total", func(t *nanobus.Timing) time.Duration { return t.Total }},
}

// callPrinter shows replies, one in full or several in a line each with a
// summary.
type callPrinter struct {
	w        io.Writer
	color    terminal.Palette
	json     bool
	many     bool
	terminal bool

	n, bad     int
	last       *reply // the last bad one
	timings    []nanobus.Timing
	clockKnown bool // in all of them
}

func newCallPrinter(o *CallOptions) *callPrinter {
	return &callPrinter{
		w: o.Out, color: terminal.Palette(o.Color), json: o.JSON, many: o.Count > 1, clockKnown: true,
		terminal: terminal.Is(o.Out),
	}
}

func (p *callPrinter) print(r *reply) {
	p.n++
	if !r.ok() {
		p.bad++
		p.last = r
	}
	if r.failed == nil {
		p.timings = append(p.timings, r.timing)
		p.clockKnown = p.clockKnown && r.clockKnown
	}
	switch {
	case p.json:
		p.printJSON(r)
	case p.many:
		p.printLine(r)
	case r.failed == nil:
		p.printWhole(r)
	}
	if r.tree != nil && !p.json {
		p.printTree(r)
	}
}

// end says what came of all, if they were several, and returns what was bad.
func (p *callPrinter) end() error {
	if p.many && !p.json {
		p.printSummary()
	}
	switch {
	case p.bad == 0:
		return nil
	case p.many:
		return fmt.Errorf("%d of %d requests failed or were answered with 400 or above, the last: %w", p.bad, p.n, p.last.problem())
	default:
		return p.last.problem()
	}
}

func (r *reply) problem() error {
	if r.failed != nil {
		return r.failed
	}
	return fmt.Errorf("%s answered %s", r.where(), statusText(r.response.Status))
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

func (p *callPrinter) printWhole(r *reply) {
	p.linef("%s  from %s at %s", p.color.Paint(statusStyle(r.response.Status), statusText(r.response.Status)), terminal.Printable(r.where()), r.address)
	for _, f := range r.response.Header {
		p.linef("%s: %s", p.color.Paint(terminal.Cyan, terminal.Printable(string(f.Name))), terminal.Printable(string(f.Value)))
	}
	p.linef("")
	if body := r.response.Body; len(body) > 0 {
		p.body(body)
		p.linef("")
	}
	width := 0
	for _, s := range stages {
		width = max(width, len(s.name))
	}
	offset := time.Duration(0)
	for _, s := range stages {
		d := s.of(&r.timing)
		if s.name == "total" {
			offset = 0
		}
		p.linef("%s  %s  %s", terminal.Pad(s.name, width), terminal.Pad(terminal.Duration(d), -8), p.color.Paint(terminal.Cyan, bar(offset, d, r.timing.Total)))
		offset += d
	}
	p.clockNote()
}

func (p *callPrinter) clockNote() {
	if !p.clockKnown {
		p.linef("(the clocks' offset isn't known: bus back has the time of bus out too)")
	}
}

// bar is where in the whole a stage lies, and how much of it it is.
func bar(offset, d, total time.Duration) string {
	if total <= 0 || d <= 0 {
		return ""
	}
	at := func(t time.Duration) int { return int(min(t, total) * barWidth / total) }
	from, to := at(offset), at(offset+d)
	if to == from {
		return strings.Repeat(" ", from) + "▏"
	}
	return strings.Repeat(" ", from) + strings.Repeat("█", to-from)
}

// body shows a body as it is, unless a terminal would not take it well.
func (p *callPrinter) body(body []byte) {
	if p.terminal && !isText(body) {
		p.linef("(%s that are no text: --json has them as base64)", terminal.Count(len(body), "byte"))
		return
	}
	_, _ = p.w.Write(body) // nowhere to report a failure
	if body[len(body)-1] != '\n' {
		p.linef("")
	}
}

func (p *callPrinter) printLine(r *reply) {
	if r.failed != nil {
		p.linef("%d  %s", p.n, p.color.Paint(terminal.Red, r.failed.Error()))
		return
	}
	p.linef("%d  %s  %s  %s  from %s", p.n, p.color.Paint(statusStyle(r.response.Status), statusText(r.response.Status)),
		terminal.Duration(r.timing.Total), terminal.Count(len(r.response.Body), "byte"), terminal.Printable(r.where()))
}

// printSummary is a table of the stages of all that were answered.
func (p *callPrinter) printSummary() {
	p.linef("")
	p.linef("%s, %d of them failed or were answered with 400 and more", terminal.Count(p.n, "request"), p.bad)
	if len(p.timings) == 0 {
		return
	}
	p.linef("")
	t := terminal.Table{Columns: []terminal.Column{
		{Head: ""}, {Head: "min", Right: true}, {Head: "median", Right: true}, {Head: "p99", Right: true}, {Head: "max", Right: true},
	}}
	for _, s := range stages {
		all := make([]time.Duration, len(p.timings))
		for i := range p.timings {
			all[i] = s.of(&p.timings[i])
		}
		slices.Sort(all)
		n := len(all)
		// The smallest that at least this share is not above.
		p99 := all[(99*n+99)/100-1]
		t.Add(s.name, terminal.Duration(all[0]), terminal.Duration(all[(n-1)/2]), terminal.Duration(p99), terminal.Duration(all[n-1]))
	}
	t.Print(p.w, 0, bool(p.color))
	p.clockNote()
}

// callRecord is a reply as JSON. Times are in µs.
type callRecord struct {
	Service    string              `json:"service"`
	Instance   string              `json:"instance,omitempty"`
	Address    string              `json:"address,omitempty"`
	RequestID  string              `json:"request_id"`
	Status     int                 `json:"status,omitempty"`
	Header     map[string][]string `json:"header,omitempty"`
	Body       string              `json:"body,omitempty"`
	BodyBase64 string              `json:"body_base64,omitempty"`
	Error      string              `json:"error,omitempty"`
	Code       string              `json:"code,omitempty"`
	Timing     map[string]int64    `json:"timing_us,omitempty"`
	ClockKnown bool                `json:"clock_known"`
	TraceID    string              `json:"trace_id,omitempty"`
	Spans      []trace.Reported    `json:"spans,omitempty"`
}

func (p *callPrinter) printJSON(r *reply) {
	rec := callRecord{Service: r.service, Instance: r.instance, Address: r.address, RequestID: r.id, Code: r.code, ClockKnown: r.clockKnown}
	if r.tree != nil {
		rec.TraceID, rec.Spans = r.tree.parent.Trace.String(), r.spans
	}
	if r.failed != nil {
		rec.Error = r.failed.Error()
	} else {
		rec.Status, rec.Header = r.response.Status, headerMap(r.response.Header)
		rec.Body, rec.BodyBase64 = encodeBody(r.response.Body)
		rec.Timing = map[string]int64{}
		for _, s := range stages {
			rec.Timing[strings.ReplaceAll(s.name, " ", "_")] = s.of(&r.timing).Microseconds()
		}
	}
	enc := json.NewEncoder(p.w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(rec) // nowhere to report a failure
}

func (p *callPrinter) linef(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintln(p.w, strings.TrimRight(line, " ")) // nowhere to report a failure
}
