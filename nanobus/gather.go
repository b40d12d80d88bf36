package nanobus

import (
	"runtime/debug"

	"nanofront/nanobus/wire"
)

// begin locks the link and appends the header of a frame to what is gathered.
// The caller appends the body to w.out and calls commit, or abandon. On error
// the link is not locked.
func (w *writer) begin(k wire.Kind, flags uint8, id uint64) (start int, err error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return 0, ErrLinkDown
	}
	start = len(w.out)
	w.out = wire.Begin(w.out, k, flags, id)
	return start, nil
}

// commit ends the frame that began at start, unlocks, and sees to it that the
// writer comes. A frame over MaxFrame is taken back: ErrTooLarge.
func (w *writer) commit(start int) error {
	if err := w.end(start); err != nil {
		return err
	}
	w.send()
	return nil
}

// send unlocks, and sees to it that the writer comes. mu is held, and released.
func (w *writer) send() {
	wake := w.parked && !w.corked
	if wake {
		w.parked = false
	}
	w.mu.Unlock()
	if wake {
		w.wake <- struct{}{}
	}
}

// commitLater is commit, but leaves the writer asleep: its caller must call push.
func (w *writer) commitLater(start int) error {
	if err := w.end(start); err != nil {
		return err
	}
	w.mu.Unlock()
	return nil
}

// end ends the frame that began at start. On error the link is unlocked.
func (w *writer) end(start int) error {
	if len(w.out)-start > MaxFrame {
		w.abandon(start)
		return ErrTooLarge
	}
	wire.End(w.out, start)
	if len(w.out)-w.cut > batchSize && start > w.cut {
		w.cuts = append(w.cuts, start)
		w.cut = start
	}
	w.frames++
	return nil
}

// encode appends p to the frame that began at start. On error, ErrTooLarge or
// ErrPayload, the frame is taken back and the link unlocked: whatever p does,
// it must not take the link and all that waits for it along.
func (w *writer) encode(start int, p Payload) (err error) {
	done := false
	defer func() {
		if !done { // it has panicked, or ended its goroutine
			w.abandon(start)
			err = w.link.bus.payloadFailed(p, recover(), debug.Stack())
		}
	}()
	out := p.AppendTo(w.out)
	done = true
	switch {
	case len(out) < len(w.out):
		w.abandon(start)
		return w.link.bus.payloadFailed(p, "it returned less than it was given", nil)
	case len(out)-start > MaxFrame:
		w.abandon(start)
		return ErrTooLarge
	}
	w.out = out
	return nil
}

// abandon takes the frame that began at start back and unlocks.
func (w *writer) abandon(start int) {
	w.out = w.out[:start]
	w.mu.Unlock()
}

// control sends a frame of a fixed body that no window covers. A peer that
// makes us send more of them than it reads loses its link.
func (w *writer) control(k wire.Kind, flags uint8, id uint64, body ...byte) {
	start, err := w.begin(k, flags, id)
	if err != nil {
		return
	}
	if w.overrun(start) {
		w.abandon(start)
		return
	}
	w.out = append(w.out, body...)
	_ = w.commit(start)
}

// overrun reports, for what no window bounds, that the peer makes us say more
// than it reads: at this many bytes gathered its link is closed. mu is held.
func (w *writer) overrun(gathered int) bool {
	if gathered <= 2*maxGathered {
		return false
	}
	w.link.close("overrun")
	return true
}

// carrier is the writer as the link's bodies see it: it implements body.Link.
type carrier struct{ *writer }

func (w carrier) Lock()             { w.mu.Lock() }
func (w carrier) Unlock()           { w.mu.Unlock() }
func (w carrier) Gathered() int     { return len(w.out) }
func (w carrier) Hurry()            { w.wakeUp() }
func (w carrier) WhenRoom(f func()) { w.room = f }
func (w carrier) Send()             { w.send() }
func (w carrier) Cancel(id uint64)  { w.control(wire.KindCancel, 0, id) }

func (w carrier) Down() error {
	if w.closed {
		return ErrLinkDown
	}
	return nil
}

func (w carrier) Chunk(flags uint8, id uint64, p []byte) {
	start := len(w.out)
	w.out = append(wire.Begin(w.out, wire.KindData, flags, id), p...)
	_ = w.end(start) // far below MaxFrame
}

func (w carrier) Credit(flags uint8, id uint64, n int) {
	w.control(wire.KindCredit, flags, id, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) // four bytes of a number
}
