package handlers

import (
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/trace"
)

// TraceID is the id of the trace that the request is part of, as 32 hexadecimal digits, for logs;
// "" if there is none, as without tracing at the front.
func (r *Request) TraceID() string {
	if p, ok := trace.ParseParent(r.Header.Get("traceparent")); ok {
		return p.Trace.String()
	}
	return ""
}

// span is a request's part in a trace. The zero span is none.
type span struct {
	parent trace.Parent // what came with it
	id     trace.SpanID // of the work on it
	state  []byte       // aliases the request
	method string

	// Bus times of the work on the request: when it was read, and when it was done, 0 as long as it
	// isn't.
	received, ended time.Duration
}

func (s *span) traced() bool { return !s.parent.IsZero() }

// begin notes which trace the request is part of.
func (s *span) begin(x *Exchange) {
	p, ok := trace.ParseParent(x.req.Header.Get("traceparent"))
	if !ok {
		return
	}
	*s = span{
		parent: p, id: trace.NewSpanID(), state: x.req.Header.Get("tracestate"), method: trace.Method(x.req.Method), received: x.bus.Received(),
	}
}

// done notes that the work on the request has ended: its caller may know before it is recorded.
func (s *span) done(rt *Runtime) {
	if s.traced() {
		s.ended = rt.bus.Now()
	}
}

// end records the work on the request.
func (s *span) end(x *Exchange, status int) {
	if !s.traced() {
		return
	}
	rt := x.rt
	r := s.record(trace.Served, rt.opts.Service)
	r.ID, r.Parent = s.id, s.parent.Span
	r.Method, r.Status, r.Error = s.method, uint16(status), status >= 500
	r.Start = rt.opts.Tracer.Wall(s.received)
	r.Stage(trace.HandlerQueue, x.started-s.received)
	if s.ended == 0 {
		s.ended = rt.bus.Now()
	}
	r.Stage(trace.Handler, s.ended-x.started)
	*s = span{}
	rt.opts.Tracer.Add(&r)
}

// record begins the record of something in the span.
func (s *span) record(kind trace.Kind, name string) trace.Record {
	return trace.Record{Trace: s.parent.Trace, Sampled: s.parent.Sampled, Kind: kind, Name: name, Parent: s.id}
}

// Span records a part of the work on the request, such as a read of a store, in its trace: from
// began until now. It does nothing if the request is part of none. name must be one of few. Valid
// until Done or Fail.
func (x *Exchange) Span(name string, began time.Time) {
	if !x.span.traced() {
		return
	}
	r := x.span.record(trace.Inside, name)
	r.ID, r.Start = trace.NewSpanID(), began.UnixNano()
	r.Stage(trace.Handler, time.Since(began))
	x.rt.opts.Tracer.Add(&r)
}

// spanKey is a traced request's span in its context.
type spanKey struct{}

// callSpan is a call's part in a trace. The zero callSpan is none.
type callSpan struct {
	of    span
	id    trace.SpanID
	began time.Duration // bus time
	value [trace.ParentSize]byte
}

// beginSpan has the call carry the trace that s is part of, if it is.
func (c *Call) beginSpan(s *span) {
	if !s.traced() || c.span.of.traced() { // it is made once more
		return
	}
	c.span.of, c.span.id, c.span.began = *s, trace.NewSpanID(), c.client.rt.bus.Now()
	goesOn := trace.Parent{Trace: s.parent.Trace, Span: c.span.id, Sampled: s.parent.Sampled}
	value := goesOn.AppendTo(c.span.value[:0])
	h := make(httpmsg.Fields, 0, len(c.Request.Header)+2)
	for _, f := range c.Request.Header { // of one that passes on all that came
		if string(f.Name) != "traceparent" && string(f.Name) != "tracestate" {
			h = append(h, f)
		}
	}
	if h = append(h, httpmsg.Field{Name: trace.FieldParent, Value: value}); len(s.state) > 0 {
		h = append(h, httpmsg.Field{Name: trace.FieldState, Value: s.state})
	}
	c.Request.Header = h
}

// endSpan records the call.
func (c *Call) endSpan() {
	if !c.span.of.traced() {
		return
	}
	rt, bus := c.client.rt, c.bus
	r := c.span.of.record(trace.Called, c.client.svc.Name())
	r.ID, r.Start = c.span.id, rt.opts.Tracer.Wall(c.span.began)
	r.Error = c.Err != nil || c.Response.Status >= 500
	r.Status = uint16(max(c.Response.Status, 0))
	t := &bus.Timing
	took := rt.bus.Now() - c.span.began
	r.Stage(trace.Queue, max(took-t.BusOut-t.HandlerQueue-t.Handler-t.BusBack, 0)) // with what it has waited for, if it was made twice
	r.Passage(t.BusOut, t.HandlerQueue, t.Handler, t.BusBack)
	if link := bus.Link; link != nil {
		if peer := link.Peer(); peer != nil {
			r.Peer = peer.Instance
		}
		r.PeerClock(link.Clock())
	}
	c.span.of = span{}
	rt.opts.Tracer.Add(&r)
}

// subscriptions are those of the options, and what the Tracer hears.
func (o *Options) subscriptions() map[string]func(nanobus.Event) {
	if o.Tracer == nil {
		return o.Subscriptions
	}
	all := map[string]func(nanobus.Event){trace.TopicKeep: func(e nanobus.Event) { o.Tracer.Asked(e.Payload) }}
	for topic, f := range o.Subscriptions {
		all[topic] = f
	}
	return all
}
