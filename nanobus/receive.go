package nanobus

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/wire"
)

// reader takes messages off the pipe until it ends. Everything that it calls
// must not block: all requests and replies of the link wait for it.
func (l *Link) reader() {
	defer l.bus.workers.Done()
	m := l.bus.metrics
	var arrived []*Request
	for {
		msg := l.pipe.Recv()
		if msg == nil {
			return // the pipe is closed
		}
		now := l.bus.now()
		l.unanswered.Store(0)
		m.messagesIn.Inc()
		m.bytesIn.Add(uint64(len(msg.Body)))
		var err error
		l.cork()
		arrived, err = l.receive(msg, now, arrived[:0])
		l.uncork()
		msg.Free()
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// receive acts on the frames of one message. arrived is scratch. With an error
// the link is to be ended; what came before that was in order is taken
// nonetheless.
func (l *Link) receive(msg *mangos.Message, now int64, arrived []*Request) ([]*Request, error) {
	arrived, err := l.act(msg, now, arrived)
	l.admit(arrived)
	if len(l.answers) > 0 {
		l.handAnswers()
	}
	return arrived[:0], err
}

// act is receive, but for the requests that it returns: those are still to be
// admitted.
func (l *Link) act(msg *mangos.Message, now int64, arrived []*Request) ([]*Request, error) {
	m := l.bus.metrics
	taps := l.taps()
	frames := uint64(0)
	defer func() { m.framesIn.Add(frames) }()
	if len(msg.Body) == 0 {
		return arrived, l.chore(1)
	}
	for rest := msg.Body; len(rest) > 0; {
		f, more, err := wire.Next(rest)
		if err != nil {
			return arrived, err
		}
		if taps != nil {
			tapFrames(taps, l, TapReceived, rest[:wire.HeaderSize+len(f.Body)], now)
		}
		rest = more
		frames++
		if cost := chores[f.Kind]; cost != 0 {
			if err := l.chore(cost); err != nil {
				return arrived, err
			}
		}
		if f.Kind != wire.KindHello && f.Kind != wire.KindProof && l.stateIs(linkGreeting) {
			// A stock BUS peer sends its replies to everybody, to us too,
			// maybe before it has said hello.
			m.droppedStray.Inc()
			continue
		}
		switch f.Kind {
		case wire.KindRequest:
			r, err := l.request(f, msg, now)
			if err != nil {
				return arrived, err
			}
			if f.Flags&wire.FlagMore != 0 {
				if code := r.takeBody(now); code != 0 {
					l.bus.served.Add(1)
					r.refuse(code)
					continue
				}
			}
			arrived = append(arrived, r)
		case wire.KindResponse:
			if err := l.response(f, msg, now); err != nil {
				return arrived, err
			}
		case wire.KindHold:
			if err := l.holding(f, msg, now); err != nil {
				return arrived, err
			}
		case wire.KindCancel:
			l.admit(arrived) // the request may be in this very message
			arrived = arrived[:0]
			m.cancelsIn.Inc()
			if !l.heldCancelled(f.ID) {
				l.cancelled(f.ID)
			}
		case wire.KindHello:
			h, err := wire.DecodeHello(f.Body)
			if err != nil {
				return arrived, err
			}
			if err := l.greeted(h); err != nil {
				return arrived, err
			}
		case wire.KindProof:
			h, err := l.proven(f.Body)
			if err != nil {
				return arrived, err
			}
			if h != nil {
				l.accept(h)
			}
		case wire.KindCredit:
			if len(f.Body) < 4 {
				return arrived, fmt.Errorf("%w: credit of %d bytes", ErrMalformed, len(f.Body))
			}
			n := binary.BigEndian.Uint32(f.Body)
			if f.ID != 0 {
				if err := l.bodyCredit(bodyKey{f.ID, f.Flags&wire.FlagResponse != 0}, n); err != nil {
					return arrived, err
				}
				continue
			}
			l.target.SetWindow(clampWindow(n))
		case wire.KindData:
			if f.Flags&(wire.FlagResponse|wire.FlagEnd) == wire.FlagEnd {
				l.admit(arrived) // its request may be in this very message
				arrived = arrived[:0]
			}
			if err := l.data(f, now); err != nil {
				return arrived, err
			}
		case wire.KindEvent:
			topic, payload, ok := wire.TakeString8(f.Body)
			if !ok {
				return arrived, fmt.Errorf("%w: event ends inside its topic", ErrMalformed)
			}
			m.eventsIn.Inc()
			l.bus.deliver(string(topic), payload, l)
		case wire.KindDraining:
			if f.Flags&wire.FlagAck != 0 {
				// The requests before it first: with the ack of all and
				// nothing to answer, draining is over.
				l.admit(arrived)
				arrived = arrived[:0]
				l.bus.drainAcked(l)
				continue
			}
			l.bus.setDraining(l)
			// All that we send from here on, nothing of it a request, comes
			// after this.
			l.control(wire.KindDraining, wire.FlagAck, 0)
		case wire.KindPing:
			if len(f.Body) < 8 {
				return arrived, fmt.Errorf("%w: ping of %d bytes", ErrMalformed, len(f.Body))
			}
			l.control(wire.KindPong, 0, 0, binary.BigEndian.AppendUint64(append([]byte(nil), f.Body[:8]...), l.bus.wallMicros(now))...)
		case wire.KindPong:
			if len(f.Body) < 16 {
				return arrived, fmt.Errorf("%w: pong of %d bytes", ErrMalformed, len(f.Body))
			}
			if binary.BigEndian.Uint64(f.Body) != l.pinged.Load() {
				continue // a stock peer's to another, or too late to be of use
			}
			l.pong(int64(binary.BigEndian.Uint64(f.Body)), int64(binary.BigEndian.Uint64(f.Body[8:])), now) // clocks
		case wire.KindTap:
			if err := l.tapFrame(f.Body); err != nil {
				return arrived, err
			}
		default:
			m.droppedUnknown.Inc() // a later minor revision's; docs/protocol.md, "Unknown kinds"
		}
	}
	return arrived, nil
}

func clampWindow(w uint32) int32 {
	return int32(min(w, MaxWindow))
}

// greeted takes note of what the peer is.
func (l *Link) greeted(h *wire.Hello) error {
	if h.Version != wire.ProtocolVersion {
		return fmt.Errorf("%w: peer %s/%s speaks protocol version %d, this is version %d", ErrMalformed, h.Service, h.Instance, h.Version, wire.ProtocolVersion)
	}
	if l.instance != nil && h.Service != l.instance.Service {
		return fmt.Errorf("%w: wanted service %q, found %q: is the address of instance %q out of date?",
			ErrMalformed, l.instance.Service, h.Service, l.instance.ID)
	}
	ready, err := l.introduced(h)
	if ready {
		l.accept(h)
	}
	return err
}

// accept believes a hello.
func (l *Link) accept(h *wire.Hello) {
	before := l.hello.Swap(h)
	l.target.SetWindow(clampWindow(h.Window))
	if before == nil {
		l.ping(l.bus.now())
		l.listenIn()
	}
	// The lock of the bus only for what matters to others.
	if before == nil || before.EventsOnly != h.EventsOnly || (before.Window == 0) != (h.Window == 0) {
		l.bus.greeted(l, before == nil)
	}
}

// request makes a Request of a frame.
func (l *Link) request(f wire.Frame, msg *mangos.Message, now int64) (*Request, error) {
	if len(f.Body) < wire.RequestFixed {
		return nil, fmt.Errorf("%w: request of %d bytes", ErrMalformed, len(f.Body))
	}
	msg.Clone()
	r := requestPool.Get().(*Request) //nolint:forcetypeassert // the pool has nothing else
	r.link, r.msg, r.id = l, msg, f.ID
	r.payload = f.Body[wire.RequestFixed:]
	r.received = now
	r.budget = int64(binary.BigEndian.Uint32(f.Body)) * 1000
	r.deadline.Store(now + r.budget)
	return r, nil
}

// takeBody makes the request one whose body goes on in data frames. It returns
// 0, or why it is to be refused.
func (r *Request) takeBody(now int64) Code {
	if !r.link.bus.opts.Bodies {
		r.link.bus.metrics.droppedMalformed.Inc()
		return CodeMalformed // we have not said that we take those
	}
	if r.body = newBodyReader(r.link, bodyKey{id: r.id}, now); r.body == nil {
		return CodeOverWindow
	}
	r.deadline.Store(noDeadline)
	return 0
}

// bodyComplete starts the budget of the peer's request with this id, if it is
// still at work: all of it is here.
func (l *Link) bodyComplete(id uint64, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.active { // a scan, as for a cancel
		if r != nil && r.id == id {
			r.deadline.Store(now + r.budget)
			r.ctx.moved()
			return
		}
	}
}

// admit takes the requests that arrived into the link's table, refuses what
// is over the window, and hands the rest to Serve.
func (l *Link) admit(arrived []*Request) {
	if len(arrived) == 0 {
		return
	}
	b := l.bus
	b.served.Add(int64(len(arrived)))
	n := 0
	l.mu.Lock()
	l.cancels += len(arrived)
	for i, r := range arrived {
		if !l.remember(r) {
			break
		}
		n = i + 1
	}
	l.mu.Unlock()
	for _, r := range arrived[n:] {
		b.metrics.droppedWindow.Inc()
		r.refuse(CodeOverWindow)
	}
	if b.opts.Serve == nil {
		for _, r := range arrived[:n] {
			b.metrics.droppedNoHandler.Inc()
			r.ReplyError(CodeNoHandler, "this process takes no requests")
		}
		return
	}
	if n > 0 {
		b.opts.Serve(arrived[:n])
	}
}

// response ends the call that the frame answers.
func (l *Link) response(f wire.Frame, msg *mangos.Message, now int64) error {
	if f.Flags&wire.FlagHeld != 0 {
		return l.late(f, msg, now)
	}
	if len(f.Body) < wire.ResponseFixed {
		return fmt.Errorf("%w: response of %d bytes", ErrMalformed, len(f.Body))
	}
	b := l.bus
	if !b.table.mine(f.ID) {
		b.metrics.droppedStray.Inc()
		return nil
	}
	more := f.Flags&(wire.FlagMore|wire.FlagError) == wire.FlagMore
	if !more && !l.target.Refund() { // else the end of the body gives the credit back
		b.metrics.droppedStray.Inc() // a reply too many
		return nil
	}
	c := b.table.claimOn(f.ID, l)
	if c == nil {
		b.metrics.droppedLate.Inc()
		if more {
			l.discard(f.ID, now)
		}
		return nil
	}
	if more {
		if c.Download = newBodyReader(l, bodyKey{f.ID, true}, now); c.Download == nil {
			if !l.discard(f.ID, now) {
				l.target.Refund()
			}
			b.metrics.cancelsOut.Inc()
			l.control(wire.KindCancel, 0, f.ID)
			c.Err = ErrTooManyBodies
			c.finish(nil)
			return nil
		}
	}
	c.Received = time.Duration(now)
	l.timing(c, f.Body, now)
	body := f.Body[wire.ResponseFixed:]
	if f.Flags&wire.FlagError == 0 {
		c.Payload = body
		if c.Upload == nil { // else it is the caller's pace that was measured
			l.target.Observe(c.Timing.Total)
		}
		l.target.Replied()
		c.finish(msg)
		return nil
	}
	remote := decodeRemoteError(body)
	l.target.ObserveError(c.Timing.Total)
	c.Err = remote
	c.finish(nil)
	return nil
}

// cancelled marks the peer's request with this id, if it is still at work.
func (l *Link) cancelled(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return // what is answered from here on stays in active, and is used anew
	}
	if l.cancels == 0 {
		l.bus.metrics.droppedStray.Inc() // more of them than requests
		return
	}
	l.cancels--
	// A scan: cancels are rare, and an index would cost every request.
	for _, r := range l.active {
		if r != nil && r.id == id {
			r.cancel()
			break
		}
	}
	if w := l.writers[bodyKey{id, true}]; w != nil {
		w.halt(ErrCancelled)
		l.space.Broadcast()
	}
	if r := l.readers[bodyKey{id: id}]; r != nil {
		r.end(ErrCancelled)
	}
}
