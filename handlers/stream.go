package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// StreamHandler answers requests whose bodies, in either direction, may be larger than memory, or
// endless. ServeStream runs on a goroutine of a bounded pool, one for each request, and may block
// for as long as its bodies take; everything of the Exchange is valid until it returns.
//
// It reads the request's body from x.Body. For a small answer it fills in x.Response, as a
// [Handler] does; for a large one it calls x.Begin and writes to the writer that it returns. An
// error becomes a response, as a Handler's does; after Begin it breaks the response off, which the
// client sees as a connection that ends early.
//
// A long response that is mostly quiet needs no goroutine: see Exchange.Stream.
//
// Read what you need of the request's body before Begin: HTTP/1.1 clients don't send and receive at
// once, so the front drops the rest of the request when the response begins.
type StreamHandler interface {
	ServeStream(x *Exchange) error
}

// StreamFunc is a function as a StreamHandler.
type StreamFunc func(x *Exchange) error

// ServeStream implements StreamHandler.
func (f StreamFunc) ServeStream(x *Exchange) error { return f(x) }

// errNotBodies says how to have a StreamHandler.
var errNotBodies = errors.New("handlers: RunStream needs Options.Bodies, and Run and RunBatch must not set it: their handlers would miss bodies that arrive in chunks")

// RunStream is Run for a StreamHandler. Options.Bodies must be set.
func (rt *Runtime) RunStream(ctx context.Context, h StreamHandler) error {
	if err := rt.takes(h, true); err != nil {
		return err
	}
	rt.pool = newPool(rt.opts.Workers, 1, nil)
	rt.pool.stream = func(x *Exchange) bool { return rt.runStream(h, x) }
	return rt.run(ctx, rt.pool.submit)
}

// runStream reports whether the response was begun: its worker's place is another's since then.
func (rt *Runtime) runStream(h StreamHandler, x *Exchange) (left bool) {
	one := [1]*Exchange{x}
	var turns [1]uint64
	if len(rt.begin(one[:], turns[:])) == 0 {
		return false
	}
	defer rt.containStream(x, turns[0], &left)
	x.serial = true
	err := h.ServeStream(x)
	left = x.out != nil
	switch {
	case x.held:
		x.recycle()
	case x.detached != nil:
		if err != nil {
			_ = x.detached.Break(err) // says nothing
		}
	case x.out != nil:
		x.endStream(err)
	case x.gone:
		if x.finish() { // answered by Begin, or nobody is there any more
			rt.metrics.errors.Inc()
			x.recycle()
		}
	case err != nil:
		x.Fail(err)
	default:
		x.Done()
	}
	return left
}

// Body returns the request's whole body; a large one is read as its chunks arrive. Reading blocks
// while the client is slow; the error says why a body has ended early. Valid until the exchange is
// finished.
func (x *Exchange) Body() io.Reader {
	_ = x.stateNow()
	if rest := x.bus.Body(); rest != nil {
		if len(x.req.Body) == 0 {
			return rest
		}
		return io.MultiReader(bytes.NewReader(x.req.Body), rest)
	}
	return bytes.NewReader(x.req.Body)
}

// Begin sends the response as far as it is filled in, status, header and the beginning of the body,
// and returns where to write the rest of it. length is that of the whole body in bytes, -1 if it
// isn't known; exactly that much must be written. Writing blocks while the client is slow, and
// fails when it has gone. Only for a StreamHandler, once for each exchange.
//
// From here on the response takes neither a worker nor a part of the window, and the Context ends
// with the client instead of the caller's deadline: the response may continue for as long as its
// client stays. About 16,000 can do so at once (nanobus.DefaultBodies); beyond that the error is a
// 503.
func (x *Exchange) Begin(length int64) (io.Writer, error) {
	_ = x.stateNow()
	if x.out != nil {
		return nil, errors.New("handlers: Begin called twice for one exchange")
	}
	if err := x.resp.check(); err != nil {
		return nil, err
	}
	x.settle(true) // it isn't remembered what is streamed
	x.resp.Length = length
	w, err := x.bus.ReplyBody((*encoded)(&x.resp))
	switch {
	case errors.Is(err, nanobus.ErrNoBodies):
		x.resp.Length = 0
		return nil, Status(501, "the answer is too large for the caller")
	case errors.Is(err, nanobus.ErrTooManyBodies):
		x.resp.Length = 0
		return nil, Status(503, "too many responses are streaming, try again in a moment")
	case err != nil:
		x.gone = true // answered, or nobody is there: there is nothing to answer any more
		return nil, err
	}
	x.out = w
	x.rt.pool.leave()
	return w, nil
}

// endStream ends a response that was begun.
func (x *Exchange) endStream(err error) {
	if !x.finish() {
		return
	}
	rt, status := x.rt, x.resp.Status
	if status == 0 {
		status = 200
	}
	code := nanobus.CodeInternal
	switch {
	case err == nil:
	case errors.Is(err, nanobus.ErrCancelled), errors.Is(err, context.Canceled), errors.Is(err, nanobus.ErrLinkDown):
		code = nanobus.CodeCancelled // nobody wants it any more
	default:
		rt.metrics.errors.Inc()
		rt.logFailure(x, err) // while the request is still there to be named
	}
	x.span.done(rt)
	if err == nil {
		_ = x.out.Close() // an error says that nobody wants it any more
	} else {
		x.out.Break(code, "")
	}
	rt.metrics.class(status).Inc()
	rt.metrics.serviceTime.Observe(rt.bus.Now() - x.started)
	x.span.end(x, status)
	if x.detached == nil {
		x.recycle()
	}
}

// containStream is contain for a StreamHandler.
func (rt *Runtime) containStream(x *Exchange, turn uint64, left *bool) {
	p := recover()
	if p == nil {
		return
	}
	*left = *left || !x.gone && x.out != nil
	rt.panicked(p)
	switch {
	case x.gone:
		return // left to the garbage collector
	case x.out == nil:
		rt.abandon(x, turn)
		return
	}
	if x.state.CompareAndSwap(turn, turn|turnFinished|turnAbandoned) {
		x.settle(true)
		x.bus.Leave()
		x.out.Break(nanobus.CodeInternal, "")
		rt.metrics.class(500).Inc()
	}
}

// MaxWhole is the largest body, in bytes, that is sent in one piece: receiving or sending a larger
// one needs a StreamHandler.
const MaxWhole = httpmsg.MaxWhole
