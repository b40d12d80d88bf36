package exchange

import (
	"errors"
	"time"

	"nanofront/internal/logging"
	"nanofront/nanobus"
)

// answer responds with what the call has brought, or tries once more. It returns true if the
// connection is the caller's and goes on.
func (x *Exchange) answer() (goesOn bool) {
	defer x.contain(&goesOn)
	f, call := x.front, x.call
	err := call.Err
	if err != nil && x.tries == 1 {
		if err = x.again(err); err == nil {
			call.Received, call.Timing = 0, nanobus.Timing{} // of the first try
			if err = x.launch(nil, x.up.timeout-(f.bus.Now()-x.start)); err == nil {
				return false
			}
			if x.call.Repeat == nanobus.RepeatRemembered {
				err = nanobus.ErrLinkDown // what was sent first may have been done
			}
		}
	}
	if stop := x.stop.Load(); stop != 0 {
		// Whatever a handler says of a request that it got half of.
		if err == nil && call.Download != nil {
			_ = call.Download.Close() // it can't fail
		}
		return x.stopped(stop)
	}
	if err != nil {
		x.note.Store(0)
		x.up.errors.Inc()
		o := x.failed(err)
		if o == timedOut && x.admitted {
			x.admitted = false
			x.up.gate.TimedOut()
		}
		return x.refuse(o)
	}
	x.streams = x.streams || call.Download != nil
	if x.streams {
		x.leave() // how long it takes is the client's pace, and says nothing of the handlers
	} else {
		x.up.latency.Observe(call.Timing.Total)
		x.up.routeLatency.Observe(call.Timing.Total)
		x.stages()
	}
	if call.Held {
		x.answeredBy(0)
		return x.hold()
	}
	x.answerer()
	if call.Download == nil {
		x.note.Store(0)
	} else {
		call.Keep() // the beginning of the body is in it
	}
	return x.replied()
}

// answerer notes who has answered.
func (x *Exchange) answerer() {
	peer := x.call.Link.Peer()
	x.instance, x.version = peer.Instance, peer.CodeVersion
}

// replied responds with the reply that the call has.
func (x *Exchange) replied() (goesOn bool) {
	f, call := x.front, x.call
	if err := x.reply.Decode(call.Payload); err != nil {
		return x.badReply(err)
	}
	x.answeredBy(x.reply.Status)
	if x.reply.Status >= 500 {
		call.Link.Blame()
	}
	if !x.respond() {
		return x.badReply(errBadField)
	}
	x.Close = x.Close || f.draining()
	x.responding()
	if call.Download != nil {
		return x.to.Begin(x)
	}
	return x.to.Answer(x)
}

// leave tells admission that the request has ended, and says nothing about the service.
func (x *Exchange) leave() {
	if x.admitted {
		x.admitted = false
		x.up.gate.Leave()
	}
}

// answeredBy tells admission that the request was answered, with that status or 0. What a service
// refuses itself is no fast answer.
func (x *Exchange) answeredBy(status int) {
	switch {
	case !x.admitted:
	case status == 429 || status == 503:
		x.leave()
	default:
		x.admitted = false
		x.up.gate.Answered(x.call.Received-x.start, x.call.Timing.Handler)
	}
}

var errBadField = errors.New("exchange: a header field that HTTP doesn't allow")

// badReply refuses for a reply that can't be passed on.
func (x *Exchange) badReply(err error) (goesOn bool) {
	x.note.Store(0)
	if f := x.front; f.limit.Allow("reply") {
		f.log.Error().Err(err).Stringer(logging.Link, x.call.Link).Bytes(logging.RequestID, x.requestID).Bytes(logging.TraceID, x.traceID()).
			Bytes(logging.Path, x.msg.Path).Msg("rejecting a reply that HTTP doesn't allow")
	}
	x.up.errors.Inc()
	return x.refuse(badReply)
}

// stages adds the request's times to the stages' timings.
func (x *Exchange) stages() {
	m, timing := x.front.metrics, &x.call.Timing
	if x.firstByte != 0 {
		m.stageRead.Observe(x.start - time.Duration(x.firstByte))
	}
	sent := x.call.Received - timing.Total
	m.stageQueue.Observe(sent - x.start)
	m.stageBusOut.Observe(timing.Queue + timing.BusOut)
	m.stageHandlerQueue.Observe(timing.HandlerQueue)
	m.stageHandler.Observe(timing.Handler)
	m.stageBusBack.Observe(timing.BusBack)
}
