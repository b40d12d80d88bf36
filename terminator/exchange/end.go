package exchange

import "time"

// End is how an exchange ended, as the access log says it.
type End uint8

const (
	Complete      End = iota // the system has taken the whole response
	ClientGone               // the client closed or reset the connection before it had its response
	WriteTimeout             // the client took too long to take it
	Broken                   // the handler, or the link to it, broke off the response's body
	Drained                  // the front ended, and with it the drain's time
	NoMemory                 // the front held too much for its clients to hold the response for one that is slow
	UploadAborted            // the client has gone, or reset, in the middle of the request's body
)

var ends = [...]struct {
	name  string
	cause cause
}{
	Complete: {"ok", causeNone}, ClientGone: {"client_gone", causeClient}, WriteTimeout: {"write_timeout", causeClient},
	Broken: {"broken", causeHandler}, Drained: {"drained", causeFront}, UploadAborted: {"upload_aborted", causeClient},
	NoMemory: {"no_memory", causeLimit},
}

// String is how the access log says it.
func (e End) String() string { return ends[e].name }

// Finish ends the exchange: it counts and logs it. head and body are how many bytes of the
// response's head and body the system has taken. Neither x nor its response are to be used
// afterwards.
func (x *Exchange) Finish(head, body int64, end End) {
	f := x.front
	x.note.Store(0)
	f.metrics.bytesOut.Add(uint64(head + body))
	now := f.bus.Now()
	if x.early && end == Complete {
		end = UploadAborted
	}
	f.accessLog.finished(x, body, now, end)
	x.measure(now, end)
	if x.divided {
		x.tally(now, end)
	}
	if x.trace != nil {
		x.endTrace(now, end)
	}
	if int64(now-x.began()) > f.slow.above.Load() {
		f.slow.keep(x, now)
	}
	replied, firstByte := int64(x.call.Received), x.firstByte
	if x.heldAt != 0 {
		firstByte = 0 // its total would say for how long it was held
	}
	x.release()
	if end == Complete && replied != 0 {
		f.written(now, firstByte, replied)
	}
}

// measure counts the request for the goals of its route and service. How long a client takes to
// send a body, or to take one, is its own affair, and how long a held one is held is the handler's.
func (x *Exchange) measure(now time.Duration, end End) {
	if x.up == nil || x.heldAt != 0 {
		return
	}
	goals := x.up.goals
	switch {
	case x.outcome == clientGone, x.outcome == answered && x.call.Received == 0:
		// Who has waited beyond all goals had reason to go; who hasn't says nothing of the service.
		if waited := now - x.start; end == ClientGone && !x.streams && waited > goals.Largest() {
			goals.Answered(waited)
		}
	case x.streams || end == UploadAborted:
	case x.Response.Status >= 500:
		goals.Failed()
	case x.outcome == answered:
		goals.Answered(x.call.Received - x.start)
	}
}

// began is when the request did: with its first byte, if that is known.
func (x *Exchange) began() time.Duration {
	if x.firstByte != 0 {
		return time.Duration(x.firstByte)
	}
	return x.start
}

// stages are where a request's time went, one after the other.
type stages struct {
	read, queue, busOut, handlerQueue, handler, busBack, held, write time.Duration

	reached bool // a handler: else read is all that is known
}

// stages of a request that ends now.
func (x *Exchange) stagesUntil(now time.Duration) (s stages) {
	call := x.call
	s.read = max(x.start-x.began(), 0)
	replied := call.Received
	if s.reached = replied != 0 && call.Link != nil; !s.reached {
		return s
	}
	if x.heldAt != 0 {
		s.held, replied = call.Received-x.heldAt, x.heldAt
	}
	t := &call.Timing
	s.queue = max(replied-t.Total-x.start, 0)
	s.busOut, s.handlerQueue, s.handler, s.busBack = t.Queue+t.BusOut, t.HandlerQueue, t.Handler, t.BusBack
	s.write = max(now-call.Received, 0)
	return s
}

// blame says what was wrong with a request, and who or what is the cause; nothing if all was well.
func (x *Exchange) blame(end End) (what string, who cause) {
	switch {
	case x.reason != "":
		return x.reason, causeClient
	case x.outcome != answered && outcomes[x.outcome].cause != causeNone:
		return outcomes[x.outcome].name, outcomes[x.outcome].cause
	case end != Complete:
		return "", ends[end].cause
	case x.Response.Status >= 500:
		return "", causeHandler
	default:
		return "", causeNone
	}
}
