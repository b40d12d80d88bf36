package writer

import (
	"runtime/debug"

	"nanofront/nanobus/wire"
)

// Begin locks the link and appends the header of a frame to what is gathered.
// The caller appends the body to w.out and calls commit, or abandon. On error
// the link is not locked.
func (w *Writer) Begin(k wire.Kind, flags uint8, id uint64) (start int, err error) {
	w.Mu.Lock()
	if w.Closed {
		w.Mu.Unlock()
		return 0, ErrLinkDown
	}
	start = len(w.Out)
	w.Out = wire.Begin(w.Out, k, flags, id)
	return start, nil
}

// Commit ends the frame that began at start, unlocks, and sees to it that the
// writer comes. A frame over MaxFrame is taken back: ErrTooLarge.
func (w *Writer) Commit(start int) error {
	if err := w.endFrame(start); err != nil {
		return err
	}
	w.send()
	return nil
}

// send unlocks, and sees to it that the writer comes. Mu is held, and released.
func (w *Writer) send() {
	wake := w.Parked && !w.corked
	if wake {
		w.Parked = false
	}
	w.Mu.Unlock()
	if wake {
		w.Wake <- struct{}{}
	}
}

// CommitLater is commit, but leaves the writer asleep: its caller must call push.
func (w *Writer) CommitLater(start int) error {
	if err := w.endFrame(start); err != nil {
		return err
	}
	w.Mu.Unlock()
	return nil
}

// endFrame ends the frame that began at start. On error the link is unlocked.
func (w *Writer) endFrame(start int) error {
	if len(w.Out)-start > wire.MaxFrame {
		w.Abandon(start)
		return ErrTooLarge
	}
	wire.End(w.Out, start)
	if len(w.Out)-w.Cut > batchSize && start > w.Cut {
		w.Cuts = append(w.Cuts, start)
		w.Cut = start
	}
	w.Frames++
	return nil
}

// Encode appends p to the frame that began at start. On error, ErrTooLarge or
// ErrPayload, the frame is taken back and the link unlocked: whatever p does,
// it must not take the link and all that waits for it along.
func (w *Writer) Encode(start int, p wire.Payload) (err error) {
	done := false
	defer func() {
		if !done { // it has panicked, or ended its goroutine
			w.Abandon(start)
			err = w.Shared.payloadFailed(p, recover(), debug.Stack())
		}
	}()
	out := p.AppendTo(w.Out)
	done = true
	switch {
	case len(out) < len(w.Out):
		w.Abandon(start)
		return w.Shared.payloadFailed(p, "it returned less than it was given", nil)
	case len(out)-start > wire.MaxFrame:
		w.Abandon(start)
		return ErrTooLarge
	}
	w.Out = out
	return nil
}

// Abandon takes the frame that began at start back and unlocks.
func (w *Writer) Abandon(start int) {
	w.Out = w.Out[:start]
	w.Mu.Unlock()
}

// Control sends a frame of a fixed body that no window covers. A peer that
// makes us send more of them than it reads loses its link.
func (w *Writer) Control(k wire.Kind, flags uint8, id uint64, body ...byte) {
	start, err := w.Begin(k, flags, id)
	if err != nil {
		return
	}
	if w.Overrun(start) {
		w.Abandon(start)
		return
	}
	w.Out = append(w.Out, body...)
	_ = w.Commit(start)
}

// Overrun reports, for what no window bounds, that the peer makes us say more
// than it reads: at this many bytes gathered its link is closed. Mu is held.
func (w *Writer) Overrun(gathered int) bool {
	if gathered <= 2*MaxGathered {
		return false
	}
	w.End("overrun")
	return true
}

// Carrier is the writer as the link's bodies see it: it implements body.Link, whose comments say
// what the methods do.
type Carrier struct{ *Writer }

// Lock takes the lock that all of the writer is under.
func (w Carrier) Lock() { w.Mu.Lock() }

// Unlock gives it back.
func (w Carrier) Unlock() { w.Mu.Unlock() }

// Gathered is how many bytes wait to be written.
func (w Carrier) Gathered() int { return len(w.Out) }

// Hurry has the writer write soon.
func (w Carrier) Hurry() { w.WakeUp() }

// WhenRoom has f called once when there is room again.
func (w Carrier) WhenRoom(f func()) { w.room = f }

// Send writes now what has gathered, if nobody else does.
func (w Carrier) Send() { w.send() }

// Cancel says that the body of that id is not wanted any more.
func (w Carrier) Cancel(id uint64) { w.Control(wire.KindCancel, 0, id) }

// Down is ErrLinkDown if the link has ended.
func (w Carrier) Down() error {
	if w.Closed {
		return ErrLinkDown
	}
	return nil
}

// Chunk appends a part of a body.
func (w Carrier) Chunk(flags uint8, id uint64, p []byte) {
	start := len(w.Out)
	w.Out = append(wire.Begin(w.Out, wire.KindData, flags, id), p...)
	_ = w.endFrame(start) // far below MaxFrame
}

// Credit says that the peer may send n bytes more.
func (w Carrier) Credit(flags uint8, id uint64, n int) {
	w.Control(wire.KindCredit, flags, id, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) // four bytes of a number
}
