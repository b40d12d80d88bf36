package exchange

import (
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// Holder keeps exchanges that handlers hold, each until it calls one of Resume, TimeOut and Leave,
// once.
type Holder interface {
	// Hold takes x over, if it is Kept. It may be answered before Hold has returned.
	Hold(x *Exchange, h Hold) Verdict
	// Abandon ends the exchange whose call has that id, if it is held: its client has gone.
	Abandon(call uint64)
}

// Hold describes an exchange that is held.
type Hold struct {
	Link *nanobus.Link // on which the answer comes
	ID   uint64        // of the call
	For  time.Duration // for how long
	Size int           // bytes of memory that it takes beside what an exchange always does
}

// Verdict says whether an exchange is held.
type Verdict uint8

const (
	Kept   Verdict = iota
	Full           // there is no room for it
	Ending         // the front ends: it is answered as if the time were over
)

// keepOut is how much of its memory to write in an exchange keeps while it is held.
const keepOut = 1 << 10

// hold gives all back that a request under way takes, and leaves the exchange to the holder. What
// was the handler's time until now is what the request has taken.
func (x *Exchange) hold() (goesOn bool) {
	call := x.call
	x.answerer()
	x.heldAt = call.Received
	x.pack()
	h := Hold{Link: call.Link, ID: call.ID(), For: call.HoldFor, Size: len(x.request)}
	x.to.Held(x)
	switch x.front.holder.Hold(x, h) {
	case Kept:
		return false
	case Full:
		h.Link.CancelHeld(h.ID)
		return x.refuse(heldFull)
	default:
		h.Link.CancelHeld(h.ID)
		return x.resumed(x.over())
	}
}

// pack keeps of the request and of its memory only what the end needs, for it may be long until
// then.
func (x *Exchange) pack() {
	x.wantsHTML = x.header.fields.PrefersHTML()
	parts := [...]*[]byte{&x.msg.Method, &x.msg.Path, &x.msg.Client, &x.requestID, &x.call.Payload}
	size := 0
	for _, p := range parts {
		size += len(*p)
	}
	b := make([]byte, 0, size)
	for _, p := range parts {
		at := len(b)
		b = append(b, *p...)
		*p = b[at:len(b):len(b)]
	}
	x.fallback = x.call.Payload
	x.msg = httpmsg.Request{Method: x.msg.Method, Path: x.msg.Path, Client: x.msg.Client}
	x.header, x.reply = requestHeader{}, httpmsg.Response{}
	x.request, x.pathScratch, x.forwardedScratch = b, nil, nil
	if cap(x.Out) > keepOut {
		x.Out = nil
	}
}

// over is the answer when there is none in time.
func (x *Exchange) over() *nanobus.HeldAnswer {
	return &nanobus.HeldAnswer{Payload: x.fallback, Received: x.front.bus.Now()}
}

// Resume responds with what the handler answers.
func (x *Exchange) Resume(a *nanobus.HeldAnswer) {
	to := x.to
	if x.resumed(a) {
		to.Next()
	}
}

// TimeOut responds with what the handler wanted to be said when it has no answer in time.
func (x *Exchange) TimeOut() { x.Resume(x.over()) }

// Leave ends an exchange that was held: its client has gone.
func (x *Exchange) Leave() {
	to := x.to
	if x.left() {
		to.Next()
	}
}

func (x *Exchange) left() (goesOn bool) {
	defer x.contain(&goesOn)
	return x.refuse(clientGone)
}

func (x *Exchange) resumed(a *nanobus.HeldAnswer) (goesOn bool) {
	defer x.contain(&goesOn)
	x.note.Store(0)
	x.call.Resume(a)
	x.front.metrics.stageHeld.Observe(a.Received - x.heldAt)
	switch {
	case a.Err != nil:
		x.up.errors.Inc()
		return x.refuse(x.failed(a.Err))
	case len(a.Payload) == 0:
		return x.refuse(heldOver)
	default:
		return x.replied()
	}
}
