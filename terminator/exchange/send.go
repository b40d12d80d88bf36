package exchange

import (
	"errors"
	"time"

	"github.com/cespare/xxhash/v2"

	"nanofront/internal/logging"
	"nanofront/nanobus"
	"nanofront/terminator/admission"
	"nanofront/terminator/http1"
)

// Serve is Read, Route and Start for a request that is there whole: a head, with what is where in
// it, and behind it a body of so many bytes. With b it goes out when that is flushed. The result is
// Start's.
func (x *Exchange) Serve(b *nanobus.Batch, request []byte, at *http1.Head, body int) (goesOn bool) {
	defer x.contain(&goesOn)
	x.request = append(x.request[:0], request...)
	head := len(request) - body
	x.read(x.request[:head], at)
	if !x.Route(int64(body)) {
		return x.Refuse()
	}
	x.msg.Body = x.request[head:]
	return x.start1(b)
}

// TurnAway is Serve for a request that is refused before anything is done for it: the front itself
// has too much to do. Only what its response needs is looked for, its id and whether the connection
// goes on.
func (x *Exchange) TurnAway(request []byte, at *http1.Head, body int) (goesOn bool) {
	defer x.contain(&goesOn)
	x.request = append(x.request[:0], request[:len(request)-body]...)
	x.read(x.request, at)
	x.count()
	if !x.normal { // for the log, which has no queries
		if o := x.normalize(); o != answered {
			return x.refuse(o)
		}
	}
	return x.refuse(lagging)
}

// Start sends a request that has been read and routed, with the whole of its body, which must stay
// as it is until the Responder is called. It returns true if that has already happened and the
// connection goes on.
func (x *Exchange) Start(body []byte) (goesOn bool) {
	defer x.contain(&goesOn)
	x.msg.Body = body
	if x.expected {
		x.start = x.front.bus.Now() // how long the body took is its client's affair, and none of the handlers'
	}
	return x.start1(nil)
}

// enter takes a place with the handlers.
func (x *Exchange) enter() bool {
	ask := admission.Ask{Timeout: x.up.timeout, Bonus: x.up.bonus}
	if x.expected {
		ask.Bonus += gatheredBonus
	}
	if x.up.gate.Limits() {
		x.identify()
		ask.Client, ask.Now = admission.ClientOf(x.clientIP), x.start
	}
	if x.up.gate.Enter(ask) {
		return true
	}
	x.up.shed.Inc()
	return false
}

// gatheredBonus is for a request that found a place when its body began to come, and whose body has
// been gathered since: a body that has come is thrown away only if very many have come together.
const gatheredBonus = 1

func (x *Exchange) start1(b *nanobus.Batch) (goesOn bool) {
	if !x.enter() {
		return x.refuse(shed)
	}
	x.admitted = true
	if err := x.launch(b, x.prepare()); err != nil {
		x.up.errors.Inc()
		return x.refuse(x.failed(err))
	}
	return false // the connection is the call's now
}

// Upload is Start for a request whose body is only begun, with length bytes in all, or -1 if that
// isn't known: the rest is to be written to the result, which the caller must end. Nil: the
// Responder was called; goesOn is as for Start. The request is not tried again, for its body is
// gone.
func (x *Exchange) Upload(begin []byte, length int64) (w *nanobus.BodyWriter, goesOn bool) {
	defer x.contain(&goesOn)
	if !x.enter() {
		return nil, x.refuse(shed)
	}
	x.up.gate.Leave() // it may be under way for hours: the bus' own limits bound those
	x.msg.Body, x.msg.Length = begin, length
	x.call.SendMore, x.call.StopOnReply = true, true
	x.streams = true
	x.tries++ // and no more
	if err := x.launch(nil, x.prepare()); err != nil {
		x.up.errors.Inc()
		return nil, x.refuse(x.failed(err))
	}
	return x.call.Upload, false
}

// Stop is why an upload ends before its body is complete.
type Stop uint32

const (
	stopNone     Stop = iota
	StopTooLarge      // more has come than the route takes
	StopFault         // it is out of order, or too slow
	StopGone          // the client has gone
)

// Stop gives up an upload: the handler is told, and the client refused, unless it has been answered
// just now. fault is for StopFault.
func (x *Exchange) Stop(w *nanobus.BodyWriter, why Stop, fault http1.Fault) {
	x.stop.Store(uint32(why)<<8 | uint32(fault))
	w.Break(nanobus.CodeCancelled, "the client's body is incomplete")
}

// stopped refuses an upload that was given up.
func (x *Exchange) stopped(stop uint32) (goesOn bool) {
	x.note.Store(0)
	switch Stop(stop >> 8) {
	case StopTooLarge:
		return x.TooLarge()
	case StopFault:
		return x.Fault(http1.Fault(stop&0xff), false)
	default:
		return x.refuse(clientGone)
	}
}

// prepare does what comes before the first try, and returns its budget.
func (x *Exchange) prepare() time.Duration {
	x.identify()
	x.msg.Decision = x.stamp
	if x.up.decides != nil || len(x.header.xVersion) > 0 {
		x.decide()
	}
	x.call.Key = keyOf(x.up.hash, x)
	x.call.Repeat = x.up.repeats(x.msg.Method)
	if x.call.Repeat == nanobus.RepeatNever && x.up.service.Remembers() {
		x.recognize()
	}
	x.msg.Load = x.up.gate.Load()
	x.up.requests.Inc()
	return x.up.timeout
}

// recognize has a write that its handler knows again, by its key, repeated if need be. It goes
// where the key says, as its client's repeats do: the handler may remember it in its own memory.
func (x *Exchange) recognize() {
	key := headerField(x, "idempotency-key")
	if len(key) == 0 {
		return
	}
	x.call.Repeat = nanobus.RepeatRemembered
	if x.call.Key == 0 {
		x.call.Key = max(xxhash.Sum64(key), 1)
	}
}

// launch starts the call. With nil, x and its connection may be somebody else's already.
func (x *Exchange) launch(b *nanobus.Batch, budget time.Duration) (err error) {
	note := x.note
	x.tries++
	if b != nil {
		err = b.Go(x.up.service, x.call, x, budget)
	} else {
		err = x.up.service.Go(x.call, x, budget)
	}
	if err != nil {
		note.Store(0)
	}
	return err
}

// AppendTo implements nanobus.Payload. It is called when the call has its id and the request hasn't
// left, which is the last moment at which that can be noted: afterwards the call may end at any
// time.
func (x *Exchange) AppendTo(dst []byte) []byte {
	x.note.Store(x.call.ID())
	return x.msg.AppendTo(dst)
}

// done is called when the call has ended, on the goroutine that reads the link. It must not block.
func (x *Exchange) done() {
	to := x.to
	if x.answer() {
		to.Next()
	}
}

// again returns nil if a request that failed with err may be sent once more. The link stays in
// call, so that another is preferred.
func (x *Exchange) again(err error) error {
	f := x.front
	known := x.call.Repeat == nanobus.RepeatRemembered && errors.Is(err, nanobus.ErrLinkDown)
	switch {
	case known:
	case !admission.Retryable(err, x.msg.Method):
		return err
	case x.call.Repeat == nanobus.RepeatRemembered:
		x.call.Repeat = nanobus.RepeatNever // nobody has begun it: it may go anywhere
	}
	now := f.bus.Now()
	if now-x.start >= x.up.timeout {
		return nanobus.ErrTimeout
	}
	if !f.retries.Take(now) {
		f.metrics.retryBudget.Inc()
		return err
	}
	f.metrics.retried.Inc()
	return nil
}

// failed says what a failed call means.
func (x *Exchange) failed(err error) outcome {
	o := outcomeOf(err)
	if f := x.front; o == handlerFailed && f.limit.Allow("handler") {
		f.log.Error().Err(err).Str(logging.CorrelationID, logging.Correlation(x.call.ID())).Bytes(logging.RequestID, x.requestID).Bytes(logging.TraceID, x.traceID()).
			Stringer(logging.Link, x.call.Link).Bytes(logging.Path, x.msg.Path).Msg("handler failed")
	}
	return o
}

// contain ends a request whose handling panicked: deferred by whoever has it.
func (x *Exchange) contain(goesOn *bool) {
	if p := recover(); p != nil {
		*goesOn = x.panicked(p)
	}
}

// panicked gives a request that made us panic a 500, or drops it if it has been answered.
func (x *Exchange) panicked(p any) (goesOn bool) {
	x.front.Panicked(p)
	x.broken = true
	if !x.responded {
		defer x.contain(&goesOn)
		return x.refuse(handlerFailed)
	}
	return x.to.Drop(x)
}
