package nanobus

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"nanofront/nanobus/wire"
)

// TapOptions make a bus listen in: every instance that it is linked with
// (SetInstances, with EventsOnly) is asked for copies of the frames that it
// exchanges with its callers, again each time that the link comes up. For
// debugging; the instance may refuse (Options.NoTap), and drops copies that are
// not read fast enough.
type TapOptions struct {
	// Sample is the share of correlation ids whose frames are copied, to the
	// millionth. Above 0, up to 1; 0 means 1. Frames without an id are not
	// sampled.
	Sample float64
	// Kinds are the kinds of frames wanted, at least one.
	Kinds []Kind
	// Payload is how many bytes of each request's, response's and event's
	// payload are copied, 0 to MaxTapPayload.
	Payload int
	// Copy gets the copies, State what instances say of the tap. They run on
	// the goroutines that read the links and must not block. State may be nil.
	Copy  func(TapCopy)
	State func(TapState)
}

// TapDirection says which way a frame went, seen from the instance.
type TapDirection uint8

// The directions. The numbers are part of the protocol.
const (
	TapReceived TapDirection = 0
	TapSent     TapDirection = 1
)

// TapCopy is a copy of one frame.
type TapCopy struct {
	// Service and Instance name the process that was listened to.
	Service, Instance string
	// At is that process' clock when it had read the frame, or was about to
	// write it; in µs.
	At        time.Time
	Direction TapDirection
	// Peer is the instance at the other end of the link; empty before its
	// hello. Valid, as Body is, until Copy returns.
	Peer []byte

	Kind  Kind
	Flags uint8
	ID    uint64
	// Length of the whole frame in bytes, its header of 16 bytes included.
	Length int
	// Body is what follows the header. Its end is missing where Cut says so.
	Body []byte
	Cut  bool
}

// TapStatus is what an instance says of a tap. The numbers are part of the
// protocol.
type TapStatus uint8

// The statuses.
const (
	TapOff       TapStatus = 0 // as asked for
	TapOn        TapStatus = 1
	TapForbidden TapStatus = 2 // Options.NoTap
	TapTooMany   TapStatus = 3 // the instance has as many taps as it allows
)

// TapState is the state of the tap at one instance.
type TapState struct {
	Service, Instance string
	Status            TapStatus
	// Dropped is how many copies the instance has dropped on this link
	// because they were not read fast enough.
	Dropped uint64
}

func (o *TapOptions) validate() error {
	if o == nil {
		return nil
	}
	switch {
	case !(o.Sample >= 0 && o.Sample <= 1): // not so for NaN
		return fmt.Errorf("nanobus: sample %v of a tap: want above 0, up to 1", o.Sample)
	case o.mask() == 0:
		return fmt.Errorf("nanobus: a tap of no kinds of frames")
	case o.Payload < 0 || o.Payload > MaxTapPayload:
		return fmt.Errorf("nanobus: payload %d of a tap: want 0 to %d", o.Payload, MaxTapPayload)
	case o.Copy == nil:
		return fmt.Errorf("nanobus: a tap with nobody to take its copies")
	}
	return nil
}

func (o *TapOptions) mask() (kinds uint32) {
	for _, k := range o.Kinds {
		kinds |= 1 << k
	}
	return kinds
}

// listenIn asks the instance that was dialled for copies, if that is what the
// bus is for.
func (s *tapSet) listenIn(l *Link) {
	o := s.bus.opts.Tap
	if o == nil || l.instance == nil {
		return
	}
	sample := uint32(tapMillion)
	if o.Sample > 0 {
		// Never 0: the least that can be asked for is one of a million.
		sample = uint32(max(math.Round(o.Sample*tapMillion), 1))
	}
	l.control(wire.KindTap, 0, 0, wire.TapStart(sample, o.mask(), uint32(o.Payload))...) // bounded by MaxTapPayload
}

// StopTap asks all instances to send no more copies. Each says how many it has
// dropped by then: TapOff.
func (b *Bus) StopTap() {
	if b.opts.Tap == nil {
		return
	}
	for _, l := range b.snapshotLinks() {
		if l.instance != nil && !l.stateIs(linkGreeting) {
			l.control(wire.KindTap, 0, 0, wire.TapStart(0, 0, 0)...)
		}
	}
}

// heard passes on what an instance says to the listener.
func (s *tapSet) heard(l *Link, body []byte) error {
	o := s.bus.opts.Tap
	if o == nil || l.instance == nil {
		l.bus.metrics.droppedStray.Inc()
		return nil
	}
	if body[0] == wire.TapOpState {
		state, err := decodeTapState(body)
		if err != nil {
			return err
		}
		state.Service, state.Instance = l.instance.Service, l.instance.ID
		if o.State != nil {
			o.State(state)
		}
		return nil
	}
	c, err := decodeTapCopy(body)
	if err != nil {
		return err
	}
	c.Service, c.Instance = l.instance.Service, l.instance.ID
	o.Copy(c)
	return nil
}

func decodeTapState(body []byte) (s TapState, err error) {
	if len(body) < wire.TapStateFixed {
		return s, fmt.Errorf("%w: state of a tap in %d bytes", ErrMalformed, len(body))
	}
	s.Status = TapStatus(body[1])
	s.Dropped = binary.BigEndian.Uint64(body[2:])
	return s, nil
}

// decodeTapCopy reads a copy. Peer and Body alias body.
func decodeTapCopy(body []byte) (c TapCopy, err error) {
	if len(body) < wire.TapCopyFixed {
		return c, fmt.Errorf("%w: copy of a tap in %d bytes", ErrMalformed, len(body))
	}
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(body[1:])))
	c.Direction = TapDirection(body[9])
	peer, raw, ok := wire.TakeString8(body[wire.TapCopyFixed:])
	if !ok {
		return c, fmt.Errorf("%w: copy of a tap ends inside the peer's name", ErrMalformed)
	}
	if len(raw) < wire.HeaderSize {
		return c, fmt.Errorf("%w: copy of a tap with %d bytes of a frame, its header has %d", ErrMalformed, len(raw), wire.HeaderSize)
	}
	length := binary.BigEndian.Uint32(raw)
	if length > MaxFrame || int(length) < len(raw) {
		return c, fmt.Errorf("%w: copy of a tap with %d bytes of a frame of %d", ErrMalformed, len(raw), length)
	}
	c.Peer = peer
	c.Kind, c.Flags, c.ID = wire.Kind(raw[4]), raw[5], binary.BigEndian.Uint64(raw[8:])
	c.Length, c.Body, c.Cut = int(length), raw[wire.HeaderSize:], len(raw) < int(length)
	return c, nil
}

// Request returns what a copied request says: what was left of its budget when
// it was sent, and the payload, as far as it was copied. ok is false for other
// kinds and for a request that is not whole.
func (c *TapCopy) Request() (budget time.Duration, payload []byte, ok bool) {
	if c.Kind != KindRequest || len(c.Body) < wire.RequestFixed {
		return 0, nil, false
	}
	return time.Duration(binary.BigEndian.Uint32(c.Body)) * time.Microsecond, c.Body[wire.RequestFixed:], true
}

// Response returns what a copied response says: how long the request waited
// for work to begin, how long that took, and the payload as far as it was
// copied, or the error that stands in its place. ok is false for other kinds
// and for a response that is not whole.
func (c *TapCopy) Response() (queue, work time.Duration, payload []byte, remote *RemoteError, ok bool) {
	if c.Kind != KindResponse || len(c.Body) < wire.ResponseFixed {
		return 0, 0, nil, nil, false
	}
	queue = time.Duration(binary.BigEndian.Uint32(c.Body[8:])) * time.Microsecond
	work = time.Duration(binary.BigEndian.Uint32(c.Body[12:])) * time.Microsecond
	payload = c.Body[wire.ResponseFixed:]
	if c.Flags&wire.FlagError != 0 {
		return queue, work, nil, decodeRemoteError(payload), true
	}
	return queue, work, payload, nil, true
}

// Topic returns the topic of a copied event; empty for other kinds.
func (c *TapCopy) Topic() string {
	if c.Kind != wire.KindEvent {
		return ""
	}
	topic, _, _ := wire.TakeString8(c.Body)
	return string(topic)
}
