package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// MaxHold is the longest that a request may be held.
const MaxHold = 600 * time.Second

// DefaultHeld is Options.MaxHeld's default.
const DefaultHeld = 1 << 16

var (
	// ErrNoHolds: the caller doesn't take holds, or the request is one whose body comes in chunks.
	// It is still to be answered.
	ErrNoHolds = errors.New("nanobus: the request can't be held: its caller doesn't accept holds, or its body came in chunks")
	// ErrTooManyHeld: as many requests are held as Options.MaxHeld allows, or the caller doesn't
	// read what it was sent. The request is still to be answered.
	ErrTooManyHeld = errors.New("nanobus: too many requests are held")
	// ErrNotHeld: the request isn't held any more: it was answered, its time has run out, or the
	// client or the link has gone.
	ErrNotHeld = errors.New("nanobus: the request is no longer held")
)

// Held is a peer's request that was answered with a hold: its credit has been returned, and its
// caller waits for Answer, or until the timeout, whichever comes first.
type Held struct {
	link *Link
	id   uint64
	gone func()
}

// Hold answers the request by having its caller wait: for Held.Answer, or else for the timeout,
// when the caller takes p as the answer; nil if there is none. It never blocks. gone is called once
// if the request ends otherwise than by Answer: the client has left, the time has run out, or the
// link has broken. It must not block. It may be called before Hold returns.
//
// The request was answered, but its payload may be read until its user is done with it. With an
// error it is still to be answered: ErrNoHolds, ErrTooManyHeld, ErrCancelled, ErrLinkDown,
// ErrTooLarge, ErrPayload, or ErrMalformed when another request of this id is held.
func (r *Request) Hold(p wire.Payload, timeout time.Duration, gone func()) (*Held, error) {
	l := r.link
	b := l.bus
	if timeout < time.Millisecond || timeout > MaxHold {
		return nil, fmt.Errorf("nanobus: hold for %v: want %v to %v", timeout, time.Millisecond, MaxHold)
	}
	if h := l.Hello.Load(); h == nil || !h.Holds || r.body != nil {
		return nil, ErrNoHolds
	}
	if b.Holding.Add(1) > int64(b.MaxHeld) {
		b.Holding.Add(-1)
		b.Metrics.droppedHeld.Inc()
		return nil, ErrTooManyHeld
	}
	h := &Held{link: l, id: r.id, gone: gone}
	if err := h.begin(r, p, timeout); err != nil {
		b.Holding.Add(-1)
		return nil, err
	}
	r.Leave()
	r.release()
	return h, nil
}

// begin sends the hold and puts h into the link's table.
func (h *Held) begin(r *Request, p wire.Payload, timeout time.Duration) error {
	l := r.link
	now := l.bus.Nanos()
	start, err := l.Begin(wire.KindHold, 0, r.id)
	switch {
	case err != nil:
		return err
	case r.cancelled.Load():
		err = ErrCancelled
	case l.held[r.id] != nil:
		err = fmt.Errorf("%w: two requests with one id", wire.ErrMalformed)
	case start > writer.MaxGathered:
		err = ErrTooManyHeld
	}
	if err != nil {
		l.Abandon(start)
		return err
	}
	started := r.started
	if started == 0 {
		started = now
	}
	l.Out = binary.BigEndian.AppendUint64(l.Out, l.bus.WallMicros(r.received))
	l.Out = binary.BigEndian.AppendUint32(l.Out, micros32(started-r.received))
	l.Out = binary.BigEndian.AppendUint32(l.Out, micros32(now-started))
	l.Out = binary.BigEndian.AppendUint32(l.Out, uint32(timeout.Milliseconds())) // MaxHold at most
	if p != nil {
		if err := l.Encode(start, p); err != nil {
			return err
		}
	}
	if l.held == nil {
		l.held = make(map[uint64]*Held)
	}
	l.held[r.id] = h
	l.forget(r)
	return l.Commit(start)
}

// Answer answers the held request. It blocks, for a few seconds at most, while the peer doesn't
// read what was sent before. The error is ErrNotHeld if nobody is waiting any more, ErrLinkDown,
// ErrTooLarge or ErrPayload; the last two have been reported to the caller.
func (h *Held) Answer(p wire.Payload) error {
	err := h.send(wire.FlagHeld, p, true)
	switch {
	case errors.Is(err, writer.ErrTooLarge):
		h.link.bus.Metrics.droppedOversized.Inc()
		_ = h.send(wire.FlagHeld|wire.FlagError, &wire.RemoteError{Code: wire.CodeTooLarge}, false)
	case errors.Is(err, writer.ErrPayload):
		_ = h.send(wire.FlagHeld|wire.FlagError, &wire.RemoteError{Code: wire.CodeInternal}, false)
	}
	return err
}

// Fail answers the held request with an error; text is for the caller's log.
func (h *Held) Fail(code wire.Code, text string) error {
	return h.send(wire.FlagHeld|wire.FlagError, &wire.RemoteError{Code: code, Text: text}, false)
}

// Link returns the link on which the request came.
func (h *Held) Link() *Link { return h.link }

// ID returns the correlation id, for logs.
func (h *Held) ID() uint64 { return h.id }

// send sends the answer and takes h off the link's table.
func (h *Held) send(flags uint8, p wire.Payload, block bool) error {
	l := h.link
	l.Mu.Lock()
	for block && len(l.Out) > writer.MaxGathered && !l.Closed {
		l.WakeUp()
		l.Space.Wait() // the writer's deadline ends this at the latest
	}
	switch {
	case l.held[h.id] != h:
		l.Mu.Unlock()
		return ErrNotHeld
	case l.Closed: // for writers, and about to be for all
		l.Mu.Unlock()
		return writer.ErrLinkDown
	}
	start := len(l.Out)
	l.Out = wire.Begin(l.Out, wire.KindResponse, flags, h.id)
	l.Out = binary.BigEndian.AppendUint64(l.Out, l.bus.WallMicros(l.bus.Nanos()))
	l.Out = append(l.Out, 0, 0, 0, 0, 0, 0, 0, 0)
	if err := l.Encode(start, p); err != nil {
		return err
	}
	delete(l.held, h.id)
	l.bus.Holding.Add(-1)
	return l.Commit(start)
}

// heldCancelled ends the held request with this id, if there is one: its caller waits no longer.
func (h *responder) heldCancelled(id uint64) bool {
	l := h.link
	l.Mu.Lock()
	held := h.held[id]
	if held != nil {
		delete(h.held, id)
		h.cancels--
	}
	l.Mu.Unlock()
	if held != nil {
		held.end()
	}
	return held != nil
}

// endHeld ends all that is held on a link that has gone.
func (h *responder) endHeld() {
	l := h.link
	l.Mu.Lock()
	all := h.held
	h.held = nil
	l.Mu.Unlock()
	for _, held := range all {
		held.end()
	}
}

func (h *Held) end() {
	h.link.bus.Holding.Add(-1)
	if h.gone != nil {
		h.gone()
	}
}
