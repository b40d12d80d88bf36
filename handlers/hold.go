package handlers

import (
	"errors"
	"sync"
	"time"

	"nanofront/nanobus"
)

// MaxHold is the longest that a request can be held.
const MaxHold = nanobus.MaxHold

var (
	// ErrNotHeld: nobody is waiting for the answer any more.
	ErrNotHeld = nanobus.ErrNotHeld
	// ErrNoHolds: the front doesn't hold requests, or not this one, whose body came in chunks.
	ErrNoHolds = nanobus.ErrNoHolds
	// ErrTooManyHeld: as many requests are held as Options.MaxHeld allows.
	ErrTooManyHeld = nanobus.ErrTooManyHeld

	errNoExchange = errors.New("handlers: Response.Hold is for the Response that Serve was given; use Exchange.Hold elsewhere")
	errTwice      = errors.New("handlers: Hold called twice for one request")
	errBegun      = errors.New("handlers: Hold after Begin")
)

// Held is a request that is answered later, on any goroutine. It takes no worker, no goroutine and
// no part of the window: the front waits with the client.
type Held struct {
	rt    *Runtime
	held  *nanobus.Held
	claim *claim // what Exchange.claim was

	mu     sync.Mutex
	over   bool // answered, or gone
	left   bool // gone
	done   chan struct{}
	onGone func()
}

// Hold makes the client wait for Held.Answer, for at most timeout (1 ms to MaxHold): after that it
// gets the response as it is filled in now, or a 200 without a body. For the handler that ends the
// request: what Serve returns is ignored, and its context ends.
//
// On an error the request isn't held, and is answered with the response as usual: just return nil.
func (r *Response) Hold(timeout time.Duration) (*Held, error) {
	if r.exchange == nil {
		return nil, errNoExchange
	}
	return r.exchange.hold(timeout)
}

// Hold is Response.Hold for the other kinds of handlers. Like Done it ends the exchange, except
// with an error; in a StreamHandler it stays valid until ServeStream returns.
func (x *Exchange) Hold(timeout time.Duration) (*Held, error) {
	h, err := x.hold(timeout)
	if err == nil && !x.serial {
		x.recycle()
	}
	return h, err
}

func (x *Exchange) hold(timeout time.Duration) (*Held, error) {
	_ = x.stateNow()
	switch {
	case x.out != nil:
		return nil, errBegun
	case x.held:
		return nil, errTwice
	}
	if err := x.resp.check(); err != nil {
		return nil, err
	}
	if !x.finish() {
		return nil, ErrNotHeld
	}
	rt := x.rt
	h := &Held{rt: rt, claim: x.claim}
	x.claim = nil
	x.span.done(rt)
	held, err := x.bus.Hold((*encoded)(&x.resp), timeout, func() { h.end(true) })
	if err != nil {
		x.claim = h.claim
		x.state.And(^uint64(turnFinished))
		return nil, err
	}
	h.held, x.held = held, true
	rt.metrics.held.Inc()
	rt.metrics.serviceTime.Observe(rt.bus.Now() - x.started)
	x.span.end(x, 200)
	return h, nil
}

// Answer answers the request. It blocks, for a few seconds at most, while the front doesn't read
// what it was sent before. ErrNotHeld: nobody is waiting any more (see Gone). resp stays the
// caller's, and may answer many requests.
func (h *Held) Answer(resp *Response) error {
	if h == nil || h.held == nil {
		return ErrNotHeld // Hold has made none, and said why
	}
	if err := resp.check(); err != nil {
		return err
	}
	if h.claim != nil {
		h.claim.note(resp)
	}
	// The bus decides between an answer and whatever else ends it: not h.mu, which what ends it
	// takes.
	if err := h.held.Answer((*encoded)(resp)); err != nil {
		return err
	}
	status := resp.Status
	if status == 0 {
		status = 200
	}
	h.rt.metrics.class(status).Inc()
	h.end(false)
	return nil
}

// Gone is closed when nobody is waiting any more: the client has left, the time has run out, the
// link has broken, or the request was answered.
func (h *Held) Gone() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done == nil {
		h.done = make(chan struct{})
		if h.over {
			close(h.done)
		}
	}
	return h.done
}

// OnGone has f called once when the request has ended without an answer: the client has left, the
// time has run out, or the link has broken. Use it to forget h where a goroutine for each would be
// too many. f runs on a goroutine of the bus, or within OnGone if the request has already ended,
// and must not block. One f for each h.
func (h *Held) OnGone(f func()) {
	h.mu.Lock()
	h.onGone = f
	left := h.left
	h.mu.Unlock()
	if left {
		f()
	}
}

func (h *Held) end(left bool) {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return
	}
	h.over, h.left = true, left
	if h.done != nil {
		close(h.done)
	}
	f := h.onGone
	h.mu.Unlock()
	if left && h.claim != nil {
		h.claim.settle(true)
	}
	if left && f != nil {
		f()
	}
}
