package link

import (
	"encoding/binary"
	"fmt"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/body"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// Read takes messages off the pipe until it ends. Everything that it calls
// must not block: all requests and replies of the link wait for it.
func (l *Link) Read() {
	defer l.bus.Workers.Done()
	m := l.bus.Metrics
	var arrived []*Request
	for {
		msg := l.Pipe.Recv()
		if msg == nil {
			return // the pipe is closed
		}
		now := l.bus.Nanos()
		l.PeerClock.unanswered.Store(0)
		if l.Heard.Store(now); l.Stalled.Load() {
			l.spoke()
		}
		m.messagesIn.Inc()
		m.BytesIn.Add(uint64(len(msg.Body)))
		var err error
		l.Cork()
		l.ended = 0
		arrived, err = l.receive(msg, now, arrived[:0])
		l.Uncork()
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
	if len(arrived) > 0 {
		l.admit(arrived)
	}
	if len(l.answers) > 0 {
		l.handAnswers()
	}
	return arrived[:0], err
}

// act is receive, but for the requests that it returns: those are still to be
// admitted.
func (l *Link) act(msg *mangos.Message, now int64, arrived []*Request) ([]*Request, error) {
	m := l.bus.Metrics
	tapped := l.bus.Tapped.Load()
	frames := uint64(0)
	defer func() { m.FramesIn.Add(frames) }()
	if len(msg.Body) == 0 {
		return arrived, l.controls.add(1)
	}
	for rest := msg.Body; len(rest) > 0; {
		f, more, err := wire.Next(rest)
		if err != nil {
			return arrived, err
		}
		if tapped {
			l.bus.upper.Copy(l, tap.Received, rest[:wire.HeaderSize+len(f.Body)])
		}
		rest = more
		frames++
		if cost := controlCost[f.Kind]; cost != 0 {
			if err := l.controls.add(cost); err != nil {
				return arrived, err
			}
		}
		if f.Kind != wire.KindHello && f.Kind != wire.KindProof && l.Is(Greeting) {
			// A stock BUS peer sends its replies to everybody, to us too,
			// maybe before it has said hello.
			m.DroppedStray.Inc()
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
					l.bus.Serving.Add(1)
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
			h, err := l.Challenge.proven(f.Body)
			if err != nil {
				return arrived, err
			}
			if h != nil {
				l.accept(h)
			}
		case wire.KindCredit:
			if len(f.Body) < 4 {
				return arrived, fmt.Errorf("%w: credit of %d bytes", wire.ErrMalformed, len(f.Body))
			}
			n := binary.BigEndian.Uint32(f.Body)
			if f.ID != 0 {
				if err := l.Bodies.Credit(body.KeyOf(f), n); err != nil {
					return arrived, err
				}
				continue
			}
			l.Target.SetWindow(clampWindow(n))
		case wire.KindData:
			if f.Flags&(wire.FlagResponse|wire.FlagEnd) == wire.FlagEnd {
				l.admit(arrived) // its request may be in this very message
				arrived = arrived[:0]
			}
			complete, err := l.Bodies.Data(f, now)
			if err != nil {
				return arrived, err
			}
			if complete && f.Flags&wire.FlagResponse == 0 {
				l.bodyComplete(f.ID, now)
			}
		case wire.KindEvent:
			topic, payload, ok := wire.TakeString8(f.Body)
			if !ok {
				return arrived, fmt.Errorf("%w: event ends inside its topic", wire.ErrMalformed)
			}
			m.EventsIn.Inc()
			l.bus.upper.Event(string(topic), payload, l)
		case wire.KindDraining:
			if f.Flags&wire.FlagAck != 0 {
				// The requests before it first: with the ack of all and
				// nothing to answer, draining is over.
				l.admit(arrived)
				arrived = arrived[:0]
				l.bus.upper.DrainAcked(l)
				continue
			}
			l.bus.upper.Draining(l)
			// All that we send from here on, nothing of it a request, comes
			// after this.
			l.Control(wire.KindDraining, wire.FlagAck, 0)
		case wire.KindPing:
			if len(f.Body) < 8 {
				return arrived, fmt.Errorf("%w: ping of %d bytes", wire.ErrMalformed, len(f.Body))
			}
			l.Control(wire.KindPong, 0, 0, binary.BigEndian.AppendUint64(append([]byte(nil), f.Body[:8]...), l.bus.WallMicros(now))...)
		case wire.KindPong:
			if len(f.Body) < 16 {
				return arrived, fmt.Errorf("%w: pong of %d bytes", wire.ErrMalformed, len(f.Body))
			}
			if binary.BigEndian.Uint64(f.Body) != l.PeerClock.Pinged.Load() {
				continue // a stock peer's to another, or too late to be of use
			}
			l.PeerClock.pong(int64(binary.BigEndian.Uint64(f.Body)), int64(binary.BigEndian.Uint64(f.Body[8:])), int64(l.bus.WallMicros(now)), now)
		case wire.KindTap:
			if err := l.bus.upper.Tap(l, f.Body); err != nil {
				return arrived, err
			}
		default:
			m.DroppedUnknown.Inc() // a later minor revision's; docs/protocol.md, "Unknown kinds"
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
		return fmt.Errorf("%w: peer %s/%s speaks protocol version %d, this is version %d", wire.ErrMalformed, h.Service, h.Instance, h.Version, wire.ProtocolVersion)
	}
	if l.Instance != nil && h.Service != l.Instance.Service {
		return fmt.Errorf("%w: wanted service %q, found %q: is the address of instance %q out of date?",
			wire.ErrMalformed, l.Instance.Service, h.Service, l.Instance.ID)
	}
	ready, err := l.Challenge.introduced(h)
	if ready {
		l.accept(h)
	}
	return err
}

// accept believes a hello.
func (l *Link) accept(h *wire.Hello) {
	before := l.Hello.Swap(h)
	l.Target.SetWindow(clampWindow(h.Window))
	if before == nil {
		l.PeerClock.ping(l, l.bus.Nanos())
	}
	// The lock of the bus only for what matters to others.
	if before == nil || before.EventsOnly != h.EventsOnly || (before.Window == 0) != (h.Window == 0) {
		l.bus.upper.Greeted(l, before == nil)
	}
}
