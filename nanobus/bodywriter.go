package nanobus

import (
	"fmt"
	"sync"

	"nanofront/nanobus/wire"
)

const (
	// chunkSize is the largest data frame's body. A frame that is under way
	// can't be overtaken: the smaller it is, the sooner a request that comes
	// behind it is out.
	chunkSize = 16 << 10

	// bulkGathered is how much may wait for the link's writer while bodies
	// still add to it. Requests and replies may add maxGathered: they are
	// never behind more than this of bodies.
	bulkGathered = 32 << 10
)

// BodyWriter is the rest of a request's or a response's body, to be sent in
// chunks. It must be ended with Close or Break, exactly once; until then its
// request is under way. It is for one goroutine at a time.
type BodyWriter struct {
	link    *Link
	key     bodyKey
	request *Request // whose response this is the body of; nil: of a call

	// Guarded by link.mu.
	credit int
	budget int64 // ns from the end of the body, for a call
	last   int64 // bus time of the last progress; since when it waits
	ended  bool
	inLine bool // in link.inLine
	err    error
	more   sync.Cond // of link.mu: there may be room, or an end
	gone   func()    // see OnGone
}

// register makes the writer one of its link, whose mu is held.
func (w *BodyWriter) register(l *Link, key bodyKey, now int64) {
	w.link, w.key, w.credit, w.last = l, key, BodyCredit, now
	w.more.L = &l.mu
	if l.writers == nil {
		l.writers = make(map[bodyKey]*BodyWriter)
	}
	l.writers[key] = w
	l.bus.bodiesOut.Add(1)
	if !key.response {
		l.bus.standing.add(w, now+int64(bodyIdle))
	}
}

// Write implements io.Writer. It copies p, and blocks while the reader has not
// granted more, or while much waits to be sent on the link. The error is
// ErrLinkDown, ErrTimeout when the reader took nothing for a minute, ErrCancelled,
// or ErrAnswered: nobody reads any more.
func (w *BodyWriter) Write(p []byte) (int, error) {
	l := w.link
	done := 0
	for done < len(p) {
		l.mu.Lock()
		for w.err == nil && !w.ended && !l.closed && (w.credit == 0 || len(l.out) > bulkGathered) {
			l.wakeUp()
			if w.credit > 0 && !w.inLine {
				w.inLine = true
				l.inLine = append(l.inLine, w)
			}
			w.more.Wait() // ended by credit, by the link's writer, by the sweep, and with the link
		}
		if err := w.failed(); err != nil {
			l.nextInLine()
			l.mu.Unlock()
			return done, err
		}
		n := min(len(p)-done, chunkSize, w.credit)
		w.credit -= n
		w.last = l.bus.now()
		start := len(l.out)
		l.out = wire.Begin(l.out, wire.KindData, w.flags(), w.key.id)
		l.out = append(l.out, p[done:done+n]...)
		l.nextInLine()
		if err := l.commit(start); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// nextInLine wakes the writer that has waited longest for room in out, if there is room: it wakes the next one itself.
// mu is held.
func (w *writer) nextInLine() {
	if len(w.inLine) == 0 || len(w.out) > bulkGathered {
		return
	}
	next := w.inLine[0]
	w.inLine[0] = nil
	w.inLine = w.inLine[1:]
	next.inLine = false
	next.more.Signal()
}

func (w *BodyWriter) flags() uint8 {
	if w.key.response {
		return wire.FlagResponse
	}
	return 0
}

// failed is why nothing can be sent any more. link.mu is held.
func (w *BodyWriter) failed() error {
	switch {
	case w.err != nil:
		return w.err
	case w.ended:
		return ErrClosed
	case w.link.closed:
		return ErrLinkDown
	default:
		return nil
	}
}

// Close ends the body: it is complete. The error is that of Write, if nobody
// reads any more.
func (w *BodyWriter) Close() error { return w.finish(nil) }

// Break ends the body and says that it is not complete, and why. text is for
// the peer's log and is cut at 1 KiB.
func (w *BodyWriter) Break(code Code, text string) {
	_ = w.finish(&errorPayload{code: code, text: text})
}

// finish ends the body. The end is always sent, unless the link has gone: that
// of a response gives the credit back, and the handler of a request must not
// wait for more.
func (w *BodyWriter) finish(broken *errorPayload) error {
	l := w.link
	l.mu.Lock()
	if w.ended {
		l.mu.Unlock()
		return ErrClosed
	}
	err := w.failed()
	w.ended = true
	w.more.Broadcast() // for a Write that is left behind, as after a panic
	now := l.bus.now()
	w.last = now
	if w.request != nil || err != nil || broken != nil {
		w.unregister()
	}
	if l.closed {
		l.mu.Unlock()
	} else {
		flags := w.flags() | wire.FlagEnd
		if err != nil && broken == nil {
			broken = &errorPayload{code: CodeCancelled}
		}
		if broken != nil {
			flags = w.flags() | wire.FlagBroken
		}
		start := len(l.out)
		l.out = wire.Begin(l.out, wire.KindData, flags, w.key.id)
		if broken != nil {
			l.out = broken.AppendTo(l.out)
		}
		_ = l.commit(start) // far below MaxFrame
	}
	switch {
	case w.request != nil:
		w.request.release()
	case broken != nil && err == nil:
		// The peer will answer; nobody waits for it.
		l.bus.calls.abort(w.key.id, ErrCancelled)
	default:
		l.bus.standing.add(w, now+w.budget) // from here on the reply's time runs
		l.bus.sweeper.due(now+w.budget, now)
	}
	return err
}

// unregister takes the writer off its link's table. link.mu is held.
func (w *BodyWriter) unregister() {
	if w.link.writers[w.key] == w {
		delete(w.link.writers, w.key)
		w.link.bus.bodiesOut.Add(-1)
	}
}

// stop makes Write end with err: nobody reads any more.
func (w *BodyWriter) stop(err error) {
	l := w.link
	l.mu.Lock()
	w.halt(err)
	l.mu.Unlock()
}

// halt is stop for a caller that holds link.mu.
func (w *BodyWriter) halt(err error) {
	first := w.err == nil
	if first {
		w.err = err
	}
	w.more.Broadcast()
	if w.request == nil {
		w.unregister()
		return
	}
	if first && !w.ended {
		w.tellGone()
	}
}

// tellGone tells the owner of the stream to end it. link.mu is held.
func (w *BodyWriter) tellGone() {
	w.request.cancel()
	if w.gone != nil {
		w.link.bus.tasks.Go(w.gone) // the caller holds locks
		w.gone = nil
	}
}

// OnGone has f called, once, on a goroutine of its own, when nobody reads the body any more before it is ended, and
// Write fails, or when the process drains and the body is quiet. The body is still to be ended. It is for bodies that nobody waits in Write for.
func (w *BodyWriter) OnGone(f func()) {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	switch {
	case w.ended:
	case w.err != nil:
		w.link.bus.tasks.Go(f)
	default:
		w.gone = f
	}
}

// overdue implements standing: a request's body that stands still is given up, and so is a call whose reply doesn't
// come in time after it.
func (w *BodyWriter) overdue(now int64) (next int64) {
	l := w.link
	l.mu.Lock()
	if l.writers[w.key] != w {
		l.mu.Unlock()
		return 0
	}
	if due := w.due(); due >= now {
		l.mu.Unlock()
		return due
	}
	w.halt(ErrTimeout)
	l.mu.Unlock()
	l.bus.calls.abort(w.key.id, ErrTimeout)
	return 0
}

// due is until when the body may stand still, or, when it is complete, the reply
// may take; in bus time. link.mu is held.
func (w *BodyWriter) due() int64 {
	if w.ended {
		return w.last + w.budget
	}
	return w.last + int64(bodyIdle)
}

// bodyCredit acts on a credit frame for a body. Called by the link's reader.
func (l *Link) bodyCredit(key bodyKey, n uint32) error {
	l.mu.Lock()
	w := l.writers[key]
	if w == nil {
		l.mu.Unlock()
		return nil // for a body that has ended meanwhile
	}
	if uint64(n)+uint64(w.credit) > MaxBodyCredit {
		l.mu.Unlock()
		return fmt.Errorf("%w: credit of %d bytes on top of %d for a body: want %d at most in all", ErrMalformed, n, w.credit, MaxBodyCredit)
	}
	w.credit += int(n)
	w.last = l.bus.now()
	w.more.Signal()
	l.mu.Unlock()
	return nil
}
