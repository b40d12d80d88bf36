package nanobus

import (
	"encoding/binary"
	"fmt"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/body"
	"nanofront/nanobus/tap"
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
		l.clock.unanswered.Store(0)
		if l.heard.Store(now); l.stalled.Load() {
			l.spoke()
		}
		m.messagesIn.Inc()
		m.bytesIn.Add(uint64(len(msg.Body)))
		var err error
		l.cork()
		l.ended = 0
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
	taps := l.bus.taps.of(l)
	frames := uint64(0)
	defer func() { m.framesIn.Add(frames) }()
	if len(msg.Body) == 0 {
		return arrived, l.controls.add(1)
	}
	for rest := msg.Body; len(rest) > 0; {
		f, more, err := wire.Next(rest)
		if err != nil {
			return arrived, err
		}
		if taps != nil {
			tapFrames(taps, l, tap.Received, rest[:wire.HeaderSize+len(f.Body)], now)
		}
		rest = more
		frames++
		if cost := controlCost[f.Kind]; cost != 0 {
			if err := l.controls.add(cost); err != nil {
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
			h, err := l.challenge.proven(f.Body)
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
				if err := l.bodies.Credit(body.KeyOf(f), n); err != nil {
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
			complete, err := l.bodies.Data(f, now)
			if err != nil {
				return arrived, err
			}
			if complete && f.Flags&wire.FlagResponse == 0 {
				l.bodyComplete(f.ID, now)
			}
		case wire.KindEvent:
			topic, payload, ok := wire.TakeString8(f.Body)
			if !ok {
				return arrived, fmt.Errorf("%w: event ends inside its topic", ErrMalformed)
			}
			m.eventsIn.Inc()
			l.bus.events.deliver(string(topic), payload, l)
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
			if binary.BigEndian.Uint64(f.Body) != l.clock.pinged.Load() {
				continue // a stock peer's to another, or too late to be of use
			}
			l.clock.pong(int64(binary.BigEndian.Uint64(f.Body)), int64(binary.BigEndian.Uint64(f.Body[8:])), int64(l.bus.wallMicros(now)), now)
		case wire.KindTap:
			if err := l.bus.taps.frame(l, f.Body); err != nil {
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
	ready, err := l.challenge.introduced(h)
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
		l.clock.ping(l, l.bus.now())
		l.bus.taps.listenIn(l)
	}
	// The lock of the bus only for what matters to others.
	if before == nil || before.EventsOnly != h.EventsOnly || (before.Window == 0) != (h.Window == 0) {
		l.bus.greeted(l, before == nil)
	}
}
