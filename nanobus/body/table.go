package body

import (
	"errors"
	"fmt"
	"io"

	"nanofront/nanobus/wire"
)

// Key finds a body on its link. The two ends number their requests apart,
// so the direction belongs to it.
type Key struct {
	ID       uint64
	Response bool
}

// KeyOf is the key of the body that a frame of data or credit is about.
func KeyOf(f wire.Frame) Key { return Key{f.ID, f.Flags&wire.FlagResponse != 0} }

func (k Key) flags() uint8 {
	if k.Response {
		return wire.FlagResponse
	}
	return 0
}

// Table is the bodies that are under way on a link, whose lock guards it.
type Table struct {
	set     *Set
	link    Link
	readers map[Key]*Reader
	writers map[Key]*Writer
	inLine  []*Writer // have credit, and wait for room
	next    func()    // nextInLine
}

// Init makes the table that of a link.
func (t *Table) Init(s *Set, l Link) {
	t.set, t.link = s, l
	t.next = t.nextInLine
}

// Sends reports whether the body with this key is being sent. The link is locked.
func (t *Table) Sends(k Key) bool { return t.writers[k] != nil }

// nextInLine wakes the writer that has waited longest for room, if there is room: it wakes the next
// one itself. The link is locked.
func (t *Table) nextInLine() {
	if len(t.inLine) == 0 || t.link.Gathered() > bulkGathered {
		return
	}
	next := t.inLine[0]
	t.inLine[0] = nil
	if t.inLine = t.inLine[1:]; len(t.inLine) == 0 {
		t.link.WhenRoom(nil)
	}
	next.inLine = false
	next.more.Signal()
}

// wait puts a writer in line. The link is locked.
func (t *Table) wait(w *Writer) {
	if w.inLine {
		return
	}
	w.inLine = true
	t.inLine = append(t.inLine, w)
	t.link.WhenRoom(t.next)
}

// expect makes the reader one of the link, unless the peer uses an id twice at once.
func (t *Table) expect(r *Reader) bool {
	t.link.Lock()
	defer t.link.Unlock()
	down := t.link.Down()
	switch {
	case down != nil:
		r.uncount()
		r.err = down
		return true
	case t.readers[r.key] != nil:
		t.set.Stray.Inc()
		return false
	}
	if t.readers == nil {
		t.readers = make(map[Key]*Reader)
	}
	t.readers[r.key] = r
	return true
}

// Data acts on a data frame; complete says that it was the last of its body. Called by the link's
// reader.
func (t *Table) Data(f wire.Frame, now int64) (complete bool, err error) {
	key := KeyOf(f)
	t.link.Lock()
	r := t.readers[key]
	if r != nil && f.Flags&(wire.FlagEnd|wire.FlagBroken) != 0 {
		delete(t.readers, key)
	}
	t.link.Unlock()
	if r == nil {
		// Of a request that was answered meanwhile.
		t.set.Late.Inc()
		return false, nil
	}
	if f.Flags&wire.FlagBroken != 0 {
		r.end(wire.DecodeRemoteError(f.Body))
		r.gone()
		return false, nil
	}
	switch err := r.arrived(f.Body, now); {
	case errors.Is(err, ErrTooMany):
		t.set.Over.Inc()
		if r.drop(err) && key.Response {
			t.set.Cancels.Inc()
			t.link.Cancel(f.ID)
		}
	case err != nil:
		return false, err
	}
	if f.Flags&wire.FlagEnd == 0 {
		return false, nil
	}
	r.end(io.EOF)
	r.gone()
	return true, nil
}

// Credit acts on a credit frame for a body. Called by the link's reader.
func (t *Table) Credit(key Key, n uint32) error {
	t.link.Lock()
	defer t.link.Unlock()
	w := t.writers[key]
	if w == nil {
		return nil // for a body that has ended meanwhile
	}
	if uint64(n)+uint64(w.credit) > wire.MaxBodyCredit {
		return fmt.Errorf("%w: credit of %d bytes on top of %d for a body: want %d at most in all", wire.ErrMalformed, n, w.credit, wire.MaxBodyCredit)
	}
	w.credit += int(n)
	w.last = t.set.Now()
	w.more.Signal()
	return nil
}

// End makes the reader with this key fail with err, if there is one: nothing more comes.
func (t *Table) End(k Key, err error) {
	t.link.Lock()
	r := t.readers[k]
	t.link.Unlock()
	if r != nil {
		r.end(err)
	}
}

// Halt makes the writer with this key fail with err, if there is one: nobody reads any more. The
// link is locked.
func (t *Table) Halt(k Key, err error) {
	if w := t.writers[k]; w != nil {
		w.halt(err)
	}
}

// Forget ends the reader of a request's body: the request was answered.
func (t *Table) Forget(r *Reader) {
	t.link.Lock()
	there := t.readers[r.key] == r
	if there {
		delete(t.readers, r.key)
	}
	t.link.Unlock()
	if there {
		r.gone()
	}
	r.drop(ErrClosed)
}

// EndQuiet tells the owners of responses' bodies that have been quiet since before a time to end
// them. The link is locked.
func (t *Table) EndQuiet(since int64) {
	for _, w := range t.writers {
		if w.key.Response && !w.ended && w.last < since {
			w.tellGone()
		}
	}
}

// Break ends all bodies with err, as the link has gone: the writers at once, under its lock, and
// the readers with what is returned, which is to be called without it.
func (t *Table) Break(err error) (readers func()) {
	all := t.readers
	t.readers = nil
	for _, w := range t.writers {
		w.halt(err)
	}
	return func() {
		for _, r := range all {
			r.end(err)
			r.gone()
		}
	}
}
