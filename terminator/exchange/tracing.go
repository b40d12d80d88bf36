package exchange

import (
	"sync"
	"time"

	"nanofront/httpmsg"
	"nanofront/trace"
)

// Tracing says which requests are traced.
type Tracing struct {
	Recorder *trace.Recorder // nil: none
	Sample   float64         // the share of all that is, from 0 to 1
	Slower   time.Duration   // those that take longer are, too; 0: none of them
}

const (
	// believed is how many requests a second are traced because a trusted proxy says so.
	believed = 100
	// maxBaggage is how many bytes of baggage are passed on: what W3C Baggage has everybody take.
	maxBaggage = 8192
)

// tracing is a front's.
type tracing struct {
	Tracing

	believed *trace.Rate
}

// newTracing returns nil if there is none: that is all that a request looks at.
func newTracing(o Tracing) *tracing {
	if o.Recorder == nil {
		return nil
	}
	return &tracing{Tracing: o, believed: trace.NewRate(believed)}
}

// traced is an exchange's part in a trace.
type traced struct {
	// What came with the request. All alias its head, until identify.
	parent  []byte
	parents int // how many there are
	state   [][]byte
	baggage httpmsg.Fields

	root   trace.SpanID
	from   trace.SpanID // whose part the whole is; zero: nobody's
	link   trace.Parent
	goesOn trace.Parent // as handlers see it: with the span of the call
	value  [trace.ParentSize]byte
	joined []byte // the state that goes on
}

var tracedPool = sync.Pool{New: func() any { return new(traced) }}

func (t *traced) reset() {
	t.forget()
	*t = traced{state: t.state, baggage: t.baggage, joined: t.joined[:0]}
}

// forget lets go of the request's memory.
func (t *traced) forget() {
	clear(t.state)
	clear(t.baggage)
	t.parent, t.state, t.baggage = nil, t.state[:0], t.baggage[:0]
}

// sort takes one of the fields that tracing is about.
func (t *traced) sort(name, value []byte) {
	switch len(name) {
	case len("baggage"):
		t.baggage = append(t.baggage, httpmsg.Field{Name: name, Value: value})
	case len("tracestate"):
		t.state = append(t.state, value)
	default:
		t.parent = value
		t.parents++
	}
}

// begin decides which trace the request is part of, and whether that is sampled. Only a trusted
// proxy's word is taken: of a stranger's trace there is a link.
func (x *Exchange) beginTrace() {
	t, f := x.trace, x.front
	p, ok := trace.Parent{}, false
	if t.parents == 1 {
		p, ok = trace.ParseParent(t.parent)
	}
	trusted := x.peer.Trusted
	if trusted && ok {
		t.goesOn.Trace, t.from = p.Trace, p.Span
		t.goesOn.Sampled = p.Sampled && f.tracing.believed.Take(x.start)
		t.joined = trace.AppendState(t.joined[:0], t.state)
	} else {
		if ok {
			t.link = p
		}
		t.goesOn.Trace = trace.NewID()
		t.goesOn.Sampled = t.goesOn.Trace.Share(f.tracing.Sample)
	}
	if !trusted || size(t.baggage) > maxBaggage {
		t.baggage = t.baggage[:0]
	}
	if t.goesOn.Sampled {
		f.metrics.traceSampled.Inc()
	}
	t.root, t.goesOn.Span = trace.NewSpanID(), trace.NewSpanID()
	t.goesOn.AppendTo(t.value[:0])
}

func size(fields httpmsg.Fields) (n int) {
	for _, f := range fields {
		n += len(f.Value)
	}
	return n
}

// appendTrace appends the fields that go on.
func (t *traced) appendTrace(fields httpmsg.Fields) httpmsg.Fields {
	fields = append(fields, httpmsg.Field{Name: trace.FieldParent, Value: t.value[:]})
	if len(t.joined) > 0 {
		fields = append(fields, httpmsg.Field{Name: trace.FieldState, Value: t.joined})
	}
	fields = append(fields, t.baggage...)
	t.forget()
	return fields
}

// traceID is the trace's id as logs have it; nil: there is none.
func (x *Exchange) traceID() []byte {
	if x.trace == nil {
		return nil
	}
	return x.trace.value[len("00-"):35]
}

// endTrace records the request if it is sampled, and has its trace kept if it was slow or has
// failed.
func (x *Exchange) endTrace(now time.Duration, end End) {
	t, tracing := x.trace, x.front.tracing
	r := trace.Record{Trace: t.goesOn.Trace, Sampled: t.goesOn.Sampled}
	_, who := x.blame(end)
	r.Error = x.Response.Status >= 500 || end == Broken
	switch {
	case r.Sampled:
		r.Why = trace.Sampled
	case r.Error && who != causeLimit: // of those that are refused there may be very many, and they are all alike
		r.Why = trace.Failed
	case tracing.Slower > 0 && x.tookUntil(now) > tracing.Slower:
		r.Why = trace.Slow
	default:
		return
	}
	x.fill(&r, now)
	x.front.metrics.stageTotal.Exemplify(r.Trace, x.tookUntil(now))
	if r.Sampled {
		tracing.Recorder.Export(&r)
		return
	}
	var ask trace.Ask
	if link := x.call.Link; link != nil && x.tries > 0 {
		ask = trace.Ask{Trace: r.Trace, Span: r.Call, Offset: trace.UnknownOffset}
		if peer := link.Peer(); peer != nil {
			ask.Instance = peer.Instance
		}
		if ahead, known := link.Clock(); known {
			ask.Offset = ahead.Microseconds()
		}
		r.Incomplete = link.Down()
	}
	tracing.Recorder.Keep(&r, ask)
}

// tookUntil is for how long a client has waited, but for what it has waited for: the rest of a
// stream, or something to happen.
func (x *Exchange) tookUntil(now time.Duration) time.Duration {
	switch received := x.call.Received; {
	case x.heldAt != 0:
		return x.heldAt - x.began()
	case x.streams && received != 0:
		return received - x.began()
	default:
		return now - x.began()
	}
}

func (x *Exchange) fill(r *trace.Record, now time.Duration) {
	t := x.trace
	r.Kind, r.Parent, r.ID, r.Call, r.Link = trace.Front, t.from, t.root, t.goesOn.Span, t.link
	r.Start = x.front.tracing.Recorder.Wall(x.began())
	r.Method, r.Status, r.Peer = trace.Method(x.msg.Method), uint16(x.Response.Status), x.instance
	if x.up != nil {
		r.Name = x.up.route
	}
	s := x.stagesUntil(now)
	r.Stage(trace.Read, s.read)
	if r.Reached = s.reached; !r.Reached {
		r.Stage(trace.Write, now-x.began()-s.read)
		return
	}
	r.Stage(trace.Queue, s.queue)
	r.Passage(s.busOut, s.handlerQueue, s.handler, s.busBack)
	r.Stage(trace.Held, s.held)
	r.Stage(trace.Write, s.write)
}
