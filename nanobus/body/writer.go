package body

import (
	"sync"

	"nanofront/nanobus/wire"
)

const (
	// ChunkSize is the largest data frame's body. A frame that is under way
	// can't be overtaken: the smaller it is, the sooner a request that comes
	// behind it is out.
	ChunkSize = 16 << 10

	// bulkGathered is how much may wait for the link's writer while bodies
	// still add to it. Requests and replies may add maxGathered: they are
	// never behind more than this of bodies.
	bulkGathered = 32 << 10
)

// Writer is the rest of a request's or a response's body, to be sent in
// chunks. It must be ended with Close or Break, exactly once; until then its
// request is under way. It is for one goroutine at a time.
type Writer struct {
	table *Table
	key   Key
	owner Owner

	// Guarded by the link's lock.
	credit int
	budget int64 // ns from the end of the body, for a call
	last   int64 // bus time of the last progress; since when it waits
	ended  bool
	inLine bool // in the table's
	err    error
	more   sync.Cond // of the link's lock: there may be room, or an end
	gone   func()    // see OnGone
}

// Send begins a body that is to be sent on the link, which is locked. budget is for how long the
// reply to a request may take after its body.
func (t *Table) Send(key Key, owner Owner, budget, now int64) *Writer {
	w := &Writer{table: t, key: key, owner: owner, credit: wire.BodyCredit, budget: budget, last: now}
	w.more.L = t.link
	if t.writers == nil {
		t.writers = make(map[Key]*Writer)
	}
	t.writers[key] = w
	t.set.out.Add(1)
	if !key.Response {
		t.set.standing.add(w, now+int64(Idle))
	}
	return w
}

// Write implements io.Writer. It copies p, and blocks while the reader has not
// granted more, or while much waits to be sent on the link. The error is
// ErrLinkDown, ErrTimeout when the reader took nothing for a minute, ErrCancelled,
// or ErrAnswered: nobody reads any more.
func (w *Writer) Write(p []byte) (int, error) {
	t := w.table
	done := 0
	for done < len(p) {
		t.link.Lock()
		for w.failed() == nil && (w.credit == 0 || t.link.Gathered() > bulkGathered) {
			t.link.Hurry()
			if w.credit > 0 {
				t.wait(w)
			}
			w.more.Wait() // ended by credit, by the link's writer, by the sweep, and with the link
		}
		if err := w.failed(); err != nil {
			t.nextInLine()
			t.link.Unlock()
			return done, err
		}
		n := min(len(p)-done, ChunkSize, w.credit)
		w.credit -= n
		w.last = t.set.Now()
		t.link.Chunk(w.key.flags(), w.key.ID, p[done:done+n])
		t.nextInLine()
		t.link.Send()
		done += n
	}
	return done, nil
}

// failed is why nothing can be sent any more. The link is locked.
func (w *Writer) failed() error {
	switch {
	case w.err != nil:
		return w.err
	case w.ended:
		return ErrClosed
	default:
		return w.table.link.Down()
	}
}

// Close ends the body: it is complete. The error is that of Write, if nobody
// reads any more.
func (w *Writer) Close() error { return w.finish(nil) }

// Break ends the body and says that it is not complete, and why. text is for
// the peer's log and is cut at 1 KiB.
func (w *Writer) Break(code wire.Code, text string) {
	_ = w.finish(&wire.RemoteError{Code: code, Text: text})
}

// finish ends the body. The end is always sent, unless the link has gone: that
// of a response gives the credit back, and the handler of a request must not
// wait for more.
func (w *Writer) finish(broken *wire.RemoteError) error {
	t := w.table
	t.link.Lock()
	if w.ended {
		t.link.Unlock()
		return ErrClosed
	}
	err := w.failed()
	w.ended = true
	w.more.Broadcast() // for a Write that is left behind, as after a panic
	now := t.set.Now()
	w.last = now
	awaited := !w.key.Response && err == nil && broken == nil // the reply is
	if !awaited {
		w.unregister()
	}
	if t.link.Down() != nil {
		t.link.Unlock()
	} else {
		flags, reason := w.key.flags()|wire.FlagEnd, []byte(nil)
		if err != nil && broken == nil {
			broken = &wire.RemoteError{Code: wire.CodeCancelled}
		}
		if broken != nil {
			flags, reason = w.key.flags()|wire.FlagBroken, broken.AppendTo(nil)
		}
		t.link.Chunk(flags, w.key.ID, reason)
		t.link.Send()
	}
	if awaited {
		t.set.standing.add(w, now+w.budget) // from here on the reply's time runs
		t.set.Due(now+w.budget, now)
	} else {
		w.owner.Ended(broken != nil && err == nil)
	}
	return err
}

// unregister takes the writer off its table. The link is locked.
func (w *Writer) unregister() {
	if w.table.writers[w.key] == w {
		delete(w.table.writers, w.key)
		w.table.set.out.Add(-1)
	}
}

// halt makes Write fail with err: nobody reads any more. The link is locked.
func (w *Writer) halt(err error) {
	first := w.err == nil
	if first {
		w.err = err
	}
	w.more.Broadcast()
	if !w.key.Response {
		w.unregister()
		return
	}
	if first && !w.ended {
		w.tellGone()
	}
}

// tellGone tells the owner of the stream to end it. The link is locked.
func (w *Writer) tellGone() {
	w.owner.Abandoned()
	if w.gone != nil {
		w.table.set.Go(w.gone) // the caller holds locks
		w.gone = nil
	}
}

// OnGone has f called, once, on a goroutine of its own, when nobody reads the body any more before
// it is ended, and Write fails, or when the process drains and the body is quiet. The body is still
// to be ended. It is for bodies that nobody waits in Write for.
func (w *Writer) OnGone(f func()) {
	w.table.link.Lock()
	defer w.table.link.Unlock()
	switch {
	case w.ended:
	case w.err != nil:
		w.table.set.Go(f)
	default:
		w.gone = f
	}
}

// overdue implements standing: a request's body that stands still is given up, and so is a call
// whose reply doesn't come in time after it.
func (w *Writer) overdue(now int64) (next int64) {
	t := w.table
	t.link.Lock()
	if t.writers[w.key] != w {
		t.link.Unlock()
		return 0
	}
	if due := w.due(); due >= now {
		t.link.Unlock()
		return due
	}
	w.halt(ErrTimeout)
	t.link.Unlock()
	w.owner.Overdue()
	return 0
}

// due is until when the body may stand still, or, when it is complete, the reply
// may take. The link is locked.
func (w *Writer) due() int64 {
	if w.ended {
		return w.last + w.budget
	}
	return w.last + int64(Idle)
}
