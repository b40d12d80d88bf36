package nanobus

import (
	"fmt"

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
	err    error
}

// register makes the writer one of its link, whose mu is held.
func (w *BodyWriter) register(l *Link, key bodyKey, now int64) {
	w.link, w.key, w.credit, w.last = l, key, BodyCredit, now
	if l.writers == nil {
		l.writers = make(map[bodyKey]*BodyWriter)
	}
	l.writers[key] = w
	l.bus.bodiesOut.Add(1)
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
			l.space.Wait() // ended by credit, by the link's writer, by the sweep, and with the link
		}
		if err := w.failed(); err != nil {
			l.mu.Unlock()
			return done, err
		}
		n := min(len(p)-done, chunkSize, w.credit)
		w.credit -= n
		w.last = l.bus.now()
		start := len(l.out)
		l.out = wire.Begin(l.out, wire.KindData, w.flags(), w.key.id)
		l.out = append(l.out, p[done:done+n]...)
		if err := l.commit(start); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
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
		if w.request != nil {
			l.forget(w.request)
		}
		_ = l.commit(start) // far below MaxFrame
	}
	l.space.Broadcast() // for a Write that is left behind, as after a panic
	switch {
	case w.request != nil:
		w.request.release()
	case broken != nil && err == nil:
		// The peer will answer; nobody waits for it.
		l.bus.calls.abort(w.key.id, ErrCancelled)
	default:
		l.bus.sweeper.due(now+w.budget, now) // from here on the reply's time runs
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
	l.space.Broadcast()
}

// halt is stop for a caller that holds link.mu, and broadcasts.
func (w *BodyWriter) halt(err error) {
	if w.err == nil {
		w.err = err
	}
	if w.request == nil {
		w.unregister()
	}
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
		return fmt.Errorf("%w: credit of %d bytes on top of %d for a body, %d at most allowed", ErrMalformed, n, w.credit, MaxBodyCredit)
	}
	w.credit += int(n)
	w.last = l.bus.now()
	l.mu.Unlock()
	l.space.Broadcast()
	return nil
}
