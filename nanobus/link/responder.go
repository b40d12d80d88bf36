package link

import (
	"encoding/binary"
	"fmt"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// responder is the half of a link that takes the peer's requests. The lock of
// the link's writer guards it.
type responder struct {
	link *Link

	Active   requests         // not answered yet
	held     map[uint64]*Held // answered by a hold
	Granted  int              // window announced to the peer
	formerly int              // what it was before it shrank
	shrunkAt int64            // bus time of that
	cancels  int              // requests that the peer has not cancelled
	DrainAck bool             // the peer has said that it sends no more requests
}

// request makes a Request of a frame.
func (h *responder) request(f wire.Frame, msg *mangos.Message, now int64) (*Request, error) {
	if len(f.Body) < wire.RequestFixed {
		return nil, fmt.Errorf("%w: request of %d bytes", wire.ErrMalformed, len(f.Body))
	}
	msg.Clone()
	r := requestPool.Get().(*Request) //nolint:forcetypeassert // the pool has nothing else
	r.link, r.msg, r.id = h.link, msg, f.ID
	r.payload = f.Body[wire.RequestFixed:]
	r.received = now
	r.budget = int64(binary.BigEndian.Uint32(f.Body)) * 1000
	r.deadline.Store(now + r.budget)
	return r, nil
}

// takeBody makes the request one whose body goes on in data frames. It returns
// 0, or why it is to be refused.
func (r *Request) takeBody(now int64) wire.Code {
	if !r.link.bus.Takes {
		r.link.bus.Metrics.DroppedMalformed.Inc()
		return wire.CodeMalformed // we have not said that we take those
	}
	if r.body = r.link.Bodies.Receive(body.Key{ID: r.id}, now); r.body == nil {
		return wire.CodeOverWindow
	}
	r.deadline.Store(NoDeadline)
	return 0
}

// admit takes the requests that arrived into the link's table, refuses what
// is over the window, and hands the rest to Serve.
func (h *responder) admit(arrived []*Request) {
	if len(arrived) == 0 {
		return
	}
	b, w := h.link.bus, &h.link.sender
	b.Serving.Add(int64(len(arrived)))
	n := 0
	w.Mu.Lock()
	h.cancels += len(arrived)
	for i, r := range arrived {
		if h.Active.n >= h.limit(r.received) {
			break
		}
		h.Active.add(r)
		n = i + 1
	}
	w.Mu.Unlock()
	for _, r := range arrived[n:] {
		b.Metrics.DroppedWindow.Inc()
		r.refuse(wire.CodeOverWindow)
	}
	if b.Serve == nil {
		for _, r := range arrived[:n] {
			b.Metrics.droppedNoHandler.Inc()
			r.ReplyError(wire.CodeNoHandler, "this process takes no requests")
		}
		return
	}
	if n > 0 {
		b.Serve(arrived[:n])
	}
}

// Grant sets the window of the peer, and remembers the one it may still
// believe in. Mu is held.
func (h *responder) Grant(window int, now int64) {
	if window < h.Granted {
		if now-h.shrunkAt > int64(windowGrace) {
			h.formerly = 0
		}
		h.formerly = max(h.formerly, h.Granted)
		h.shrunkAt = now
	}
	h.Granted = window
}

// limit is how many requests of the peer are held at once. Mu is held.
func (h *responder) limit(now int64) int {
	if h.link.bus.Serve == nil {
		return h.link.bus.Window // each is answered at once: there is no handler
	}
	if h.formerly > h.Granted && now-h.shrunkAt <= int64(windowGrace) {
		return h.formerly
	}
	return h.Granted
}

// bodyComplete starts the budget of the peer's request with this id, if it is
// still at work: all of it is here.
func (h *responder) bodyComplete(id uint64, now int64) {
	mu := &h.link.Mu
	mu.Lock()
	defer mu.Unlock()
	if r := h.Active.find(id); r != nil {
		r.deadline.Store(now + r.budget)
		r.ctx.moved()
	}
}

// cancelled marks the peer's request with this id, if it is still at work.
func (h *responder) cancelled(id uint64) {
	if h.cancel(id) {
		h.link.Bodies.End(body.Key{ID: id}, ErrCancelled)
	}
}

// cancel is cancelled under the link's lock, without the request's body, whose end is told to
// others.
func (h *responder) cancel(id uint64) bool {
	l := h.link
	l.Mu.Lock()
	defer l.Mu.Unlock()
	if l.Closed {
		return false // what is answered from here on stays in active, and is used anew
	}
	if h.cancels == 0 {
		l.bus.Metrics.DroppedStray.Inc() // more of them than requests
		return false
	}
	h.cancels--
	if r := h.Active.find(id); r != nil {
		r.cancel()
	}
	l.Bodies.Halt(body.Key{ID: id, Response: true}, ErrCancelled)
	return true
}

// forget takes a request off the table. Mu is held.
func (h *responder) forget(r *Request) { h.Active.remove(r) }

// idle reports whether none of the peer's requests is under way. Mu is held.
func (h *responder) idle() bool { return h.Active.n == 0 }

// MayCall reports whether requests are to be expected on the link. A link that
// we dialled carries ours; its peer would dial us to send its own. One that has
// not introduced itself takes nothing from the others: its share is in our
// hello, and theirs shrink when it is known.
func (h *responder) MayCall() bool {
	l := h.link
	if l.Instance != nil {
		return false
	}
	hello := l.Hello.Load()
	return hello != nil && !hello.EventsOnly
}
