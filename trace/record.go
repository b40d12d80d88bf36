package trace

import (
	"math"
	"time"
)

// Kind is what a Record is of.
type Kind uint8

const (
	Front  Kind = iota // a request at the front
	Served             // a request that a handler has answered
	Called             // a call of another service
	Inside             // a part of a handler's work, such as a read of its store
)

// The stages of a request, as they follow each other. Of Served only HandlerQueue and Handler are
// known, of Inside only Handler.
const (
	Read = iota
	Queue
	BusOut
	HandlerQueue
	Handler
	BusBack
	Held
	Write
	stageCount
)

// stageNames are those of the attributes, and of spans.
var stageNames = [stageCount]string{"read", "queue", "bus_out", "handler_queue", "handler", "bus_back", "held", "write"}

// Why is why a trace is exported.
type Why uint8

const (
	Sampled Why = iota
	Slow
	Failed
	Asked // by somebody else, who knows why
)

var whys = [...]string{Sampled: "sampled", Slow: "slow", Failed: "failed", Asked: "asked"}

// String is as attributes and metrics have it.
func (w Why) String() string { return whys[w] }

// Record is a process' share of a request. It is of a fixed size, but for names that are there
// already.
type Record struct {
	Trace  ID
	Parent SpanID // zero: the trace begins here
	ID     SpanID
	Call   SpanID // of a Front: that of its call of the handler
	Link   Parent // of a Front: a stranger's trace, which this one isn't part of; zero: none
	Start  int64  // ns since 1970
	Name   string // the route, the service called, or what was done
	Method string // Front and Served
	Peer   string // the instance that has answered, or was called
	stages [stageCount]uint32
	Status uint16
	Kind   Kind
	Why    Why
	// Sampled says that the trace was at its head.
	Sampled bool
	// Reached says, of a Front, that a handler has answered: its stages are known.
	Reached bool
	// Incomplete says that something of the trace is known to be missing.
	Incomplete bool
	// Error says that it has failed.
	Error bool

	offset int64 // of this process' clock against the asker's, in µs
	skewed bool  // and it isn't known

	peerOffset int64 // of Peer's clock against this process', in µs
	peerKnown  bool
}

// PeerClock says how far the clock of the instance called is ahead of this process'.
func (r *Record) PeerClock(offset time.Duration, known bool) {
	r.peerOffset, r.peerKnown = offset.Microseconds(), known
}

// Stage sets how long a stage took: up to 71 minutes, to the µs.
func (r *Record) Stage(stage int, took time.Duration) {
	r.stages[stage] = uint32(min(max(took.Microseconds(), 0), math.MaxUint32))
}

// Passage sets the stages from one process to the other and back.
func (r *Record) Passage(out, queue, work, back time.Duration) {
	r.Stage(BusOut, out)
	r.Stage(HandlerQueue, queue)
	r.Stage(Handler, work)
	r.Stage(BusBack, back)
}

// Method is a method as a string that takes no memory: one that isn't known is OpenTelemetry's
// _OTHER.
func Method(m []byte) string {
	for _, known := range [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if string(m) == known {
			return known
		}
	}
	return "_OTHER"
}

func (r *Record) sum(stages ...int) (sum int64) {
	for _, s := range stages {
		sum += int64(r.stages[s]) * 1000
	}
	return sum
}

// spans is how many spans AppendSpans makes of it.
func (r *Record) spans() int {
	switch {
	case r.Kind == Served:
		return 2
	case r.Kind != Front:
		return 1
	case !r.Reached:
		return 1
	case r.stages[Held] != 0:
		return 6
	default:
		return 5
	}
}
