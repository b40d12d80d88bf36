package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/terminal"
	"nanofront/nanobus"
	"nanofront/trace"
)

const (
	// spansTime is how long the first spans may take to come.
	spansTime = time.Second
	// spansQuiet is for how long none may have come, for all to be there.
	spansQuiet = 300 * time.Millisecond
)

// spanTree gathers what instances tell of a request.
type spanTree struct {
	parent trace.Parent // with the span of the request itself

	mu    sync.Mutex
	spans []trace.Reported
	came  chan struct{} // has room for one
}

func newSpanTree() *spanTree {
	return &spanTree{
		parent: trace.Parent{Trace: trace.NewID(), Span: trace.NewSpanID()},
		came:   make(chan struct{}, 1),
	}
}

// mark has the request belong to the trace.
func (s *spanTree) mark(req *httpmsg.Request) {
	kept := make(httpmsg.Fields, 0, len(req.Header)+1)
	for _, f := range req.Header {
		if string(f.Name) != "traceparent" {
			kept = append(kept, f)
		}
	}
	req.Header = append(kept, httpmsg.Field{Name: trace.FieldParent, Value: s.parent.AppendTo(nil)})
}

// told takes an event with spans.
func (s *spanTree) told(e nanobus.Event) {
	var list []trace.Reported
	if json.Unmarshal(e.Payload, &list) != nil {
		return
	}
	s.mu.Lock()
	for _, r := range list {
		if r.Trace == s.parent.Trace.String() {
			s.spans = append(s.spans, r)
		}
	}
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// gather asks all instances for what they have, and waits for it.
func (s *spanTree) gather(ctx context.Context, bus *nanobus.Bus) []trace.Reported {
	var asks []trace.Ask // in one event, so that each instance sees what is said to it before it answers
	for _, l := range bus.Links() {
		ask := trace.Ask{Trace: s.parent.Trace, Span: s.parent.Span, Instance: l.Instance, Offset: trace.UnknownOffset, Report: true}
		if l.ClockKnown {
			ask.Offset = l.ClockAhead.Microseconds()
		}
		asks = append(asks, ask)
	}
	_, _ = bus.Publish(trace.TopicKeep, trace.AskPayload(asks...)) // who doesn't hear it, doesn't answer
	patience := time.NewTimer(spansTime)
	defer patience.Stop()
	for {
		select {
		case <-s.came:
			patience.Reset(spansQuiet)
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(s.spans)
	}
}

// branch is a span in the tree, below what it is a part of.
type branch struct {
	trace.Reported
	shown string // its name behind the lines of the tree
}

// grow puts spans in the order of the tree: each below its parent, and those of one parent by their
// beginning.
func grow(spans []trace.Reported, root string) (tree []branch) {
	of := make(map[string][]trace.Reported)
	known := map[string]bool{root: true}
	for _, s := range spans {
		known[s.ID] = true
	}
	for _, s := range spans {
		parent := s.Parent
		if !known[parent] {
			parent = root // what it is a part of is missing
		}
		of[parent] = append(of[parent], s)
	}
	var add func(parent, indent string)
	add = func(parent, indent string) {
		list := of[parent]
		delete(of, parent) // so that no circle is followed for ever
		slices.SortStableFunc(list, func(a, b trace.Reported) int { return cmp.Compare(a.Start, b.Start) })
		for i, s := range list {
			line, below := "├─ ", "│  "
			if i == len(list)-1 {
				line, below = "└─ ", "   "
			}
			tree = append(tree, branch{s, indent + line + terminal.Printable(s.Name)})
			add(s.ID, indent+below)
		}
	}
	add(root, "")
	return tree
}

// printTree shows a request's spans, with where in its time each lies.
func (p *callPrinter) printTree(r *reply) {
	p.linef("")
	if len(r.spans) == 0 {
		p.linef("No instance keeps spans: start handlers with --trace-ring 4096, or with --trace-otlp.")
		return
	}
	tree := grow(r.spans, r.tree.parent.Span.String())
	total := r.timing.Total
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "span"}, {Head: "instance", Drop: 1}, {Head: "at", Right: true}, {Head: "took", Right: true}, {Head: "", Drop: 2},
	}}
	root := terminal.Printable("call " + r.service)
	t.Add(root, "-", terminal.Duration(0), terminal.Duration(total), p.color.Paint(terminal.Cyan, bar(0, total, total)))
	for _, b := range tree {
		at, took := time.Duration(b.Start-r.sent), time.Duration(b.End-b.Start)
		t.Add(b.shown, terminal.Printable(b.Instance), terminal.Duration(max(at, 0)), terminal.Duration(took), p.color.Paint(terminal.Cyan, bar(max(at, 0), took, total)))
	}
	t.Print(p.w, 0, bool(p.color))
	p.linef("")
	p.linef("trace %s", r.tree.parent.Trace)
	if slices.ContainsFunc(r.spans, func(s trace.Reported) bool { return unknown(&s) }) {
		p.linef("(an instance's clock isn't known yet: where its spans lie is by its own)")
	}
}

func unknown(s *trace.Reported) bool { return s.Facts["nanofront.clock"] == "unknown" }

// traceable are the instances to link with besides those that are called, to hear their spans.
func traceable(all, called []nanobus.Instance) []nanobus.Instance {
	list := slices.Clone(called)
	for _, in := range all {
		if !slices.ContainsFunc(called, func(c nanobus.Instance) bool { return c.Service == in.Service && c.ID == in.ID }) {
			list = append(list, in)
		}
	}
	return list
}

// hasTraceParent reports whether a header was given that --trace sets.
func hasTraceParent(header []string) bool {
	return slices.ContainsFunc(header, func(h string) bool {
		name, _, _ := strings.Cut(h, ":")
		return strings.EqualFold(strings.TrimSpace(name), "traceparent")
	})
}
