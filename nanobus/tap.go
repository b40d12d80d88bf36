package nanobus

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/nanobus/link"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// What a tap is, seen from the process that is listened to; its other end is at
// the end. The wire: docs/protocol.md, "Tap".
//
// Copies are made outside every lock of the traffic: of what comes in by the
// goroutine that reads the link, of what goes out by the link's writer, from
// the batch that it is about to write. Each is one append to what has gathered
// for the tap's own link, or is dropped if too much has.

const (
	// maxTaps bounds the taps of one process.
	maxTaps = 4

	// tapBuffer is how many bytes of copies may wait for one tap to read
	// them; what comes on top is dropped and counted.
	tapBuffer = 1 << 20
)

// listener is one peer that listens in.
type listener struct {
	link *Link
	asks tap.Request

	dropped  atomic.Uint64
	reported uint64 // what of dropped the peer knows; the sweep's alone
}

// tapSet is the taps of a bus. Its lock is taken when one comes or goes, and
// no other lock under it.
type tapSet struct {
	bus    *Bus
	mu     sync.Mutex
	active atomic.Pointer[[]*listener] // nil when nobody listens in
	logged atomic.Int64                // bus time of the last line about taps
}

func (s *tapSet) list() []*listener {
	if p := s.active.Load(); p != nil {
		return *p
	}
	return nil
}

// put makes t the tap of its link, or takes that away if t is nil. What the
// link's tap was before is returned. full: there are maxTaps others.
func (s *tapSet) put(l *Link, t *listener) (was *listener, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []*listener
	for _, other := range s.list() {
		if other.link == l {
			was = other
		} else {
			next = append(next, other)
		}
	}
	if t != nil {
		if len(next) >= maxTaps {
			return was, true
		}
		if was != nil {
			t.dropped.Store(was.dropped.Load())
		}
		next = append(next, t)
	}
	if len(next) == 0 {
		s.active.Store(nil)
	} else {
		s.active.Store(&next)
	}
	s.bus.node.Tapped.Store(len(next) > 0)
	return was, false
}

// end ends the tap of the link, if it is one, and returns how many copies
// it has lost.
func (s *tapSet) end(l *Link) (dropped uint64) {
	if s.active.Load() == nil {
		return 0
	}
	was, _ := s.put(l, nil)
	if was == nil {
		return 0
	}
	dropped = was.dropped.Load()
	s.log(zerolog.InfoLevel, l).Uint64("dropped", dropped).Msg("tap ended")
	return dropped
}

// log begins a log line about the link's tap: one a second at most, as peers
// can make us say something as often as they like. nil, which is silent, else.
func (s *tapSet) log(level zerolog.Level, l *Link) *zerolog.Event {
	now, last := s.bus.node.Nanos(), s.logged.Load()
	if last != 0 && now-last < int64(time.Second) || !s.logged.CompareAndSwap(last, now) {
		return nil
	}
	return s.bus.node.Log.WithLevel(level).Stringer("link", l)
}

// report tells each tap how many copies it has lost, if that has changed. The
// sweep calls it once a second.
func (s *tapSet) report() {
	for _, t := range s.list() {
		if n := t.dropped.Load(); n != t.reported {
			t.reported = n
			sendTapState(t.link, tap.On, n)
		}
	}
}

// of returns the taps that get copies of the link's frames: none, most of the time, which costs one
// atomic load. Links that this process dialled carry its own calls and are not listened to; nor are
// the taps' own links, or each copy would be copied.
func (s *tapSet) of(l *Link) []*listener {
	p := s.active.Load()
	if p == nil || l.Instance != nil {
		return nil
	}
	for _, t := range *p {
		if t.link == l {
			return nil
		}
	}
	return *p
}

// frame acts on a frame of kind tap.
func (s *tapSet) frame(l *Link, body []byte) error {
	if len(body) == 0 {
		return fmt.Errorf("%w: tap without a body", ErrMalformed)
	}
	switch body[0] {
	case wire.TapOpStart:
		asks, err := tap.DecodeRequest(body)
		if err == nil {
			s.start(l, asks)
		}
		return err
	case wire.TapOpState, wire.TapOpCopy:
		return s.heard(l, body)
	default:
		s.bus.node.Metrics.DroppedUnknown.Inc()
		return nil
	}
}

// start makes the peer a tap, changes what it gets, or ends it if it wants
// no kind at all; and says what has come of that.
func (s *tapSet) start(l *Link, asks tap.Request) {
	b := s.bus
	t := &listener{link: l, asks: asks}
	switch {
	case l.Instance != nil:
		b.node.Metrics.DroppedStray.Inc() // we called this peer, it doesn't listen to us
		return
	case t.asks.Kinds == 0:
		sendTapState(l, tap.Off, s.end(l))
		return
	case b.opts.NoTap:
		s.log(zerolog.WarnLevel, l).Msg("refusing a tap: forbidden here")
		sendTapState(l, tap.Forbidden, 0)
		return
	}
	was, full := s.put(l, t)
	if full {
		s.log(zerolog.WarnLevel, l).Int("max", maxTaps).Msg("refusing a tap: too many")
		sendTapState(l, tap.TooMany, 0)
		return
	}
	// Its end may have passed by before it was in the set.
	if l.Is(link.Down) {
		s.end(l)
		return
	}
	if was == nil {
		s.log(zerolog.InfoLevel, l).Float64("sample", float64(t.asks.Sample)/tap.Whole).Int("payload", t.asks.Payload).Msg("tap listens in")
	}
	sendTapState(l, tap.On, t.dropped.Load())
}

// sendTapState sends the state of the peer's tap.
func sendTapState(l *Link, s tap.Status, dropped uint64) {
	body := append(make([]byte, 0, wire.TapStateFixed), wire.TapOpState, byte(s))
	l.Control(wire.KindTap, 0, 0, binary.BigEndian.AppendUint64(body, dropped)...)
}

// copy copies the whole frames to the taps that want them.
func (s *tapSet) copy(l *Link, d tap.Direction, frames []byte) {
	taps := s.of(l)
	if taps == nil {
		return
	}
	now := s.bus.node.Nanos()
	for len(frames) > 0 {
		n := binary.BigEndian.Uint32(frames) // made by us, or looked at: whole
		for _, t := range taps {
			if t.asks.Wants(frames[:n]) {
				t.copy(s.bus, l, d, frames[:n], now)
			}
		}
		frames = frames[n:]
	}
}

// copy gathers one frame for the tap, cut to what it asked for.
func (t *listener) copy(b *Bus, l *Link, d tap.Direction, raw []byte, now int64) {
	tl, m := t.link, b.node.Metrics
	start, err := tl.Begin(wire.KindTap, 0, 0)
	if err != nil {
		return // its end takes it out of the set
	}
	if start > tapBuffer {
		tl.Abandon(start)
		t.dropped.Add(1)
		m.DroppedTap.Inc()
		return
	}
	out := append(tl.Out, wire.TapOpCopy)
	out = binary.BigEndian.AppendUint64(out, b.node.WallMicros(now))
	out = append(out, byte(d))
	peer := ""
	if h := l.Hello.Load(); h != nil {
		peer = h.Instance
	}
	out = wire.AppendString8(out, peer)
	tl.Out = append(out, raw[:t.asks.Cut(raw)]...)
	if tl.Commit(start) == nil {
		m.TapCopies.Inc()
	}
}

// listenIn asks the instance that was dialled for copies, if that is what the
// bus is for.
func (s *tapSet) listenIn(l *Link) {
	o := s.bus.opts.Tap
	if o == nil || l.Instance == nil {
		return
	}
	l.Control(wire.KindTap, 0, 0, o.Start()...)
}

// Tapped reports whether somebody listens in here.
func (b *Bus) Tapped() bool { return b.node.Tapped.Load() }

// StopTap asks all instances to send no more copies. Each says how many it has
// dropped by then: TapOff.
func (b *Bus) StopTap() {
	if b.opts.Tap == nil {
		return
	}
	for _, l := range b.snapshotLinks() {
		if l.Instance != nil && !l.Is(link.Greeting) {
			l.Control(wire.KindTap, 0, 0, wire.TapStart(0, 0, 0)...)
		}
	}
}

// heard passes on what an instance says to the listener.
func (s *tapSet) heard(l *Link, body []byte) error {
	o := s.bus.opts.Tap
	if o == nil || l.Instance == nil {
		s.bus.node.Metrics.DroppedStray.Inc()
		return nil
	}
	if body[0] == wire.TapOpState {
		state, err := tap.DecodeState(body)
		if err != nil {
			return err
		}
		state.Service, state.Instance = l.Instance.Service, l.Instance.ID
		if o.State != nil {
			o.State(state)
		}
		return nil
	}
	c, err := tap.DecodeCopy(body)
	if err != nil {
		return err
	}
	c.Service, c.Instance = l.Instance.Service, l.Instance.ID
	o.Copy(c)
	return nil
}
