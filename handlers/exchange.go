package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// Exchange is one request and its answer in the making.
type Exchange struct {
	rt       *Runtime
	bus      *nanobus.Request
	req      Request
	resp     Response
	started  time.Duration       // bus time
	span     span                // its part in a trace
	out      *nanobus.BodyWriter // of a response that was begun
	detached *Stream             // see Stream; such an exchange isn't used again
	gone     bool                // Begin has failed, and with it the exchange
	serial   bool                // the runtime ends it, when the handler has returned
	held     bool                // answered with a hold
	claim    *claim              // on being the one with an Idempotency-Key that is done
	state    atomic.Uint64       // which use of this Exchange it is, and the flags below

	// User is the handler's own; nil for each new exchange.
	User any
}

// Flags in Exchange.state.
const (
	turnFinished  = 1 // the exchange is answered, or is just being
	turnAbandoned = 2 // by the runtime, after a panic; it is never used again
	turnStep      = 4
)

// turn numbers the uses of all exchanges, in steps of turnStep.
var turn atomic.Uint64

var exchangePool = sync.Pool{New: func() any { return new(Exchange) }}

// Request returns the request. Valid until Done or Fail.
func (x *Exchange) Request() *Request { return &x.req }

// Response returns the response to fill in. Valid until Done or Fail.
func (x *Exchange) Response() *Response { return &x.resp }

// Context ends with the request's deadline, when the client has gone, or when
// the link that it came on breaks. Valid until Done or Fail.
func (x *Exchange) Context() context.Context {
	if x.abandoned() {
		return abandonedContext
	}
	ctx := x.bus.Context()
	if x.span.traced() {
		s := x.span // the context may outlive the exchange
		ctx = context.WithValue(ctx, spanKey{}, &s)
	}
	if x.rt.bus.Tapped() {
		ctx = withID(ctx, &x.req)
	}
	return httpmsg.WithDecision(ctx, x.req.Decision)
}

// Remaining is what is left of the time that the caller allows.
func (x *Exchange) Remaining() time.Duration {
	if x.abandoned() {
		return 0
	}
	return x.bus.Remaining()
}

// cancelled reports whether nobody is waiting for the answer any more. It doesn't finish the
// exchange.
func (x *Exchange) cancelled() bool { return x.abandoned() || x.bus.Cancelled() }

// Done sends the response. It never blocks. The exchange must not be used
// afterwards.
func (x *Exchange) Done() {
	if x.finish() {
		x.send()
	}
}

// Fail answers with the status that the error stands for: a StatusError's own, 503 for
// ErrUnavailable, 504 for a deadline, else 500. Like Done it ends the exchange.
func (x *Exchange) Fail(err error) {
	if x.finish() {
		x.fail(err)
	}
}

// finish makes the caller the one that answers, unless a panic has already.
func (x *Exchange) finish() bool {
	turn := x.stateNow()
	if turn&turnFinished == 0 && x.state.CompareAndSwap(turn, turn|turnFinished) {
		return true
	}
	if x.abandoned() {
		return false
	}
	panic("handlers: an Exchange was finished twice: call one of Done, Fail and Hold, once")
}

// abandon answers with 500 after a panic, if the exchange is still in the use
// that turn is and not answered. What the handler has started for it may come
// back at any time, read the request and finish it once more, so neither is
// used again: that finish meets the flag and does nothing. (x.rt can't be asked
// for: in another use it may be changing.)
func (rt *Runtime) abandon(x *Exchange, turn uint64) {
	if x.state.CompareAndSwap(turn, turn|turnFinished|turnAbandoned) {
		x.settle(true)
		x.bus.Leave()
		x.bus.ReplyError(nanobus.CodeInternal, "")
		rt.metrics.class(500).Inc()
	}
}

func (x *Exchange) abandoned() bool { return x.stateNow()&turnAbandoned != 0 }

// stateNow panics for an Exchange that no runtime has made.
func (x *Exchange) stateNow() uint64 {
	state := x.state.Load()
	if state == 0 {
		panic("handlers: a zero Exchange has no request: use the one that the handler was given")
	}
	return state
}

// abandonedContext is what an abandoned exchange has for a context.
var abandonedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// AnswerTo returns what Fail tells the client about an error, for handlers that answer in another
// form: a StatusError's own status and text, 503 for ErrUnavailable, 504 for the deadline of a
// call. It is nil if the client isn't told: the exchange's own time is up, it was cancelled, or the
// error is internal; leave those to Fail.
func (x *Exchange) AnswerTo(err error) *StatusError {
	var se *StatusError
	switch {
	case errors.As(err, &se) && se.Status >= 400 && se.Status <= 599:
		return se
	case errors.Is(err, ErrUnavailable):
		return &StatusError{503, "a service needed for this is unavailable at the moment"}
	case isTimeout(err) && x.Remaining() > 0:
		return &StatusError{504, "a service needed for this did not answer in time"}
	}
	return nil
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nanobus.ErrTimeout)
}

func (x *Exchange) fail(err error) {
	rt := x.rt
	if isNil(err) { // none of its methods may be called
		err = fmt.Errorf("a nil %T was returned as an error: return nil instead", err)
	}
	x.resp.Reset()
	x.resp.Set("content-type", "application/json")
	answer := x.AnswerTo(err)
	if notDone(err) {
		x.settle(false)
	}
	switch {
	case answer != nil:
		x.resp.Status = answer.Status
		if errors.Is(err, ErrUnavailable) {
			x.resp.Set("retry-after", "1")
		}
		appendErrorBody(&x.resp, answer.Text)
	case isTimeout(err):
		x.settle(true)
		// Its own time is up: the caller knows, or is about to.
		rt.metrics.expired.Inc()
		x.span.end(x, 504)
		x.bus.ReplyError(nanobus.CodeExpired, "")
		x.recycle()
		return
	case errors.Is(err, context.Canceled):
		x.settle(true)
		rt.metrics.errors.Inc()
		x.span.end(x, 499)
		x.bus.ReplyError(nanobus.CodeCancelled, "")
		x.recycle()
		return
	default:
		x.settle(true)
		rt.metrics.errors.Inc()
		rt.logFailure(x, err)
		x.span.end(x, 500)
		x.bus.ReplyError(nanobus.CodeInternal, "")
		rt.metrics.class(500).Inc()
		x.recycle()
		return
	}
	x.send()
}

// send sends the response.
func (x *Exchange) send() {
	rt := x.rt
	if err := x.resp.check(); err != nil {
		rt.metrics.errors.Inc()
		rt.logFailure(x, err)
		x.resp.Reset()
		x.span.end(x, 500)
		x.bus.ReplyError(nanobus.CodeInternal, "")
		rt.metrics.class(500).Inc()
		x.recycle()
		return
	}
	if c := x.claim; c != nil {
		x.claim = nil
		x.remember(c)
		return
	}
	x.deliver()
}

// deliver encodes the response into the link. If the peer doesn't keep up it waits on a separate
// goroutine, which the runtime waits for; there are never more of these than the window.
func (x *Exchange) deliver() {
	rt, status := x.rt, x.resp.Status
	if status == 0 {
		status = 200
	}
	x.span.done(rt)
	ok, err := x.bus.TryReply((*encoded)(&x.resp))
	if !ok {
		rt.tasks.Go(func() {
			err := x.bus.Reply((*encoded)(&x.resp))
			x.replied(status, err)
		})
		return
	}
	x.replied(status, err)
}

func (x *Exchange) replied(status int, err error) {
	rt := x.rt
	switch {
	case errors.Is(err, nanobus.ErrTooLarge):
		rt.metrics.errors.Inc()
		rt.log.Error().Int("bytes", len(x.resp.Body)).Msg("a response is too large for the bus; the caller gets an error instead")
		status = 500
	case errors.Is(err, nanobus.ErrPayload):
		rt.metrics.errors.Inc() // the bus has said why
		status = 500
	}
	rt.metrics.class(status).Inc()
	rt.metrics.serviceTime.Observe(rt.bus.Now() - x.started)
	x.span.end(x, status)
	x.recycle()
}

func (x *Exchange) recycle() {
	x.settle(true) // if nobody has: what has become of it isn't known
	x.rt, x.bus, x.User, x.out, x.gone = nil, nil, nil, nil, false
	if x.span.traced() {
		x.span = span{}
	}
	x.serial, x.held, x.resp.exchange = false, false, nil
	x.req.wire().Reset()
	x.resp.Reset()
	exchangePool.Put(x)
}

// appendErrorBody writes the body that all error responses share.
func appendErrorBody(resp *Response, text string) {
	resp.Body = append(resp.Body, `{"error":`...)
	quoted, _ := json.Marshal(text) // texts always marshal
	resp.Body = append(resp.Body, quoted...)
	resp.Body = append(resp.Body, '}', '\n')
}
