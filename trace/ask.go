package trace

import (
	"encoding/binary"
	"math"
)

// The topics of the bus' events.
const (
	// TopicKeep asks for traces: AppendAsks.
	TopicKeep = "nanofront.trace.keep"
	// TopicSpans has spans for whoever has asked to be told: AppendReport.
	TopicSpans = "nanofront.trace.spans"
)

// Ask asks all who hear it for what they have of a trace.
type Ask struct {
	Trace ID
	// Span is that of the call of Instance, which ought to have something.
	Span     SpanID
	Instance string // empty: nobody in particular
	// Offset is how far Instance's clock is ahead of that of whoever asked first, in µs.
	// UnknownOffset: not known.
	Offset int64
	// Report has the spans sent on the bus, and not to the collector.
	Report bool
}

// UnknownOffset is that of a clock that hasn't been compared.
const UnknownOffset = math.MinInt64

const (
	askFixed   = 16 + 8 + 8 + 1
	flagReport = 1
	// maxAsks is how many go in one event.
	maxAsks = 256
)

// appendAsks appends an event's payload. All or none are to be reported.
func appendAsks(dst []byte, asks []Ask) []byte {
	flags := byte(0)
	if len(asks) > 0 && asks[0].Report {
		flags = flagReport
	}
	dst = append(dst, flags)
	for i := range asks {
		a := &asks[i]
		dst = append(dst, a.Trace[:]...)
		dst = append(dst, a.Span[:]...)
		dst = binary.BigEndian.AppendUint64(dst, uint64(a.Offset))
		name := a.Instance[:min(len(a.Instance), math.MaxUint8)]
		dst = append(append(dst, byte(len(name))), name...)
	}
	return dst
}

// AskPayload is the payload of an event of TopicKeep.
func AskPayload(asks ...Ask) []byte { return appendAsks(nil, asks) }

// parseAsks reads a payload, as far as it is in order.
func parseAsks(b []byte) (asks []Ask) {
	if len(b) == 0 {
		return nil
	}
	report := b[0]&flagReport != 0
	for b = b[1:]; len(b) >= askFixed && len(asks) < maxAsks; {
		var a Ask
		a.Report = report
		copy(a.Trace[:], b)
		copy(a.Span[:], b[16:])
		a.Offset = int64(binary.BigEndian.Uint64(b[24:]))
		n := int(b[32])
		if b = b[askFixed:]; len(b) < n || a.Trace == (ID{}) {
			return asks
		}
		a.Instance, b = string(b[:n]), b[n:]
		asks = append(asks, a)
	}
	return asks
}
