package trace

// Span is a part of a trace, as collectors know it.
type Span struct {
	Trace      ID
	ID, Parent SpanID
	Link       Parent
	Role       Role
	Name       string
	Start, End int64 // ns since 1970
	Error      bool
	Attributes []Attribute
}

// Role is OpenTelemetry's kind of a span.
type Role uint8

const (
	Internal Role = iota
	Server
	Client
)

// Attribute is a fact about a span: a text, or a number if Text is empty.
type Attribute struct {
	Key    string
	Text   string
	Number int64
}

// AppendSpans appends the spans that a record stands for.
func (r *Record) AppendSpans(dst []Span) []Span {
	own := Span{Trace: r.Trace, ID: r.ID, Parent: r.Parent, Link: r.Link, Start: r.Start - r.offset*1000, Error: r.Error}
	switch r.Kind {
	case Front:
		return r.front(own, dst)
	case Served:
		own.Role, own.Name = Server, r.Method+" "+r.Name
		own.End = own.Start + r.sum(HandlerQueue, Handler)
		r.status(&own)
		r.common(&own)
		return append(dst, own, part(&own, 1, "handler_queue", 0, r.sum(HandlerQueue)))
	case Called:
		own.Role, own.Name = Client, "call "+r.Name
		own.End = own.Start + r.sum(Queue, BusOut, HandlerQueue, Handler, BusBack)
		own.Attributes = append(own.Attributes, Attribute{Key: "rpc.system", Text: "nanofront"}, Attribute{Key: "server.address", Text: r.Peer})
		r.status(&own)
		r.stagesOf(&own, Queue, BusOut, HandlerQueue, Handler, BusBack)
		r.common(&own)
		return append(dst, own)
	default:
		own.Name, own.End = r.Name, own.Start+r.sum(Handler)
		r.common(&own)
		return append(dst, own)
	}
}

// front is one span for the whole, one for each stage of its own, and one for the passage over the
// bus and back, whose child the handler's is.
func (r *Record) front(own Span, dst []Span) []Span {
	own.Role, own.Name = Server, r.Method
	if r.Name != "" {
		own.Name += " " + r.Name
		own.Attributes = append(own.Attributes, Attribute{Key: "http.route", Text: r.Name})
	}
	r.status(&own)
	r.common(&own)
	own.Attributes = append(own.Attributes, Attribute{Key: "nanofront.kept", Text: r.Why.String()})
	if !r.Reached {
		own.End = own.Start + r.sum(Read, Write)
		return append(dst, own)
	}
	own.End = own.Start + r.sum(Read, Queue, BusOut, HandlerQueue, Handler, BusBack, Held, Write)
	dst = append(dst, own)
	at := int64(0)
	dst = append(dst, part(&own, 1, "read", at, r.sum(Read)))
	at += r.sum(Read)
	dst = append(dst, part(&own, 2, "queue", at, r.sum(Queue)))
	at += r.sum(Queue)
	bus := part(&own, 0, "bus", at, r.sum(BusOut, HandlerQueue, Handler, BusBack))
	bus.ID, bus.Role = r.Call, Client
	if r.Peer != "" {
		bus.Attributes = append(bus.Attributes, Attribute{Key: "server.address", Text: r.Peer})
	}
	r.stagesOf(&bus, BusOut, HandlerQueue, Handler, BusBack)
	dst = append(dst, bus)
	at += r.sum(BusOut, HandlerQueue, Handler, BusBack)
	if r.stages[Held] != 0 {
		dst = append(dst, part(&own, 3, "held", at, r.sum(Held)))
		at += r.sum(Held)
	}
	return append(dst, part(&own, 4, "write", at, r.sum(Write)))
}

// part is a span inside another.
func part(of *Span, n uint64, name string, from, took int64) Span {
	return Span{Trace: of.Trace, ID: of.ID.child(n), Parent: of.ID, Name: name, Start: of.Start + from, End: of.Start + from + took}
}

func (r *Record) status(s *Span) {
	if r.Method != "" {
		s.Attributes = append(s.Attributes, Attribute{Key: "http.request.method", Text: r.Method})
	}
	if r.Status != 0 {
		s.Attributes = append(s.Attributes, Attribute{Key: "http.response.status_code", Number: int64(r.Status)})
	}
}

func (r *Record) stagesOf(s *Span, stages ...int) {
	for _, stage := range stages {
		s.Attributes = append(s.Attributes, Attribute{Key: "nanofront." + stageNames[stage] + "_us", Number: int64(r.stages[stage])})
	}
}

// common is what marks any span.
func (r *Record) common(s *Span) {
	if r.Incomplete {
		s.Attributes = append(s.Attributes, Attribute{Key: "nanofront.incomplete", Text: "true"})
	}
	if r.skewed {
		s.Attributes = append(s.Attributes, Attribute{Key: "nanofront.clock", Text: "unknown"})
	}
}
