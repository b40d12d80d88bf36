package body

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

// BlockSize is the unit in which received bytes are kept.
const (
	BlockSize  = 32 << 10
	smallBlock = 1 << 10
)

// Reader is the rest of a request's or a response's body, as it comes in
// chunks. What has come and was not read yet is held here, never more than was
// granted to the sender; a reader that is slow or stops makes its own sender
// wait, and nothing else on the link.
//
// It is for one goroutine at a time, except that Close may be called from any.
type Reader struct {
	table   *Table
	key     Key
	counted atomic.Bool // among those of which there may be so many

	mu      sync.Mutex
	more    sync.Cond
	blocks  [][]byte // received and not read, the first from off on
	off     int
	held    int    // bytes in blocks
	credit  int    // granted and not yet arrived
	last    int64  // bus time of the last progress
	err     error  // io.EOF when the body is complete
	dropped bool   // nobody reads any more: what comes is thrown away
	ready   func() // of TryRead; nil: nobody is to be told
}

// A body's first bytes, when none are held, get a small block: of ten thousand streams that are
// told the same event, all may hold it for a moment.
var (
	blockPool = sync.Pool{New: func() any { return new([BlockSize]byte) }}
	smallPool = sync.Pool{New: func() any { return new([smallBlock]byte) }}
)

// newBlock returns an empty block, for n bytes if those are few.
func newBlock(n int) []byte {
	if n <= smallBlock {
		return smallPool.Get().(*[smallBlock]byte)[:0] //nolint:forcetypeassert // the pool has nothing else
	}
	return blockPool.Get().(*[BlockSize]byte)[:0] //nolint:forcetypeassert // the pool has nothing else
}

func freeBlock(b []byte) {
	if cap(b) == smallBlock {
		smallPool.Put((*[smallBlock]byte)(b[:smallBlock]))
		return
	}
	blockPool.Put((*[BlockSize]byte)(b[:BlockSize]))
}

// Receive begins a body that is to be received on the link. It returns nil if there
// are as many as there may be, or the peer has no body to send by that id.
func (t *Table) Receive(key Key, now int64) *Reader {
	if t.set.in.Add(1) > int64(t.set.Most) {
		t.set.in.Add(-1)
		t.set.Over.Inc()
		return nil
	}
	r := &Reader{table: t, key: key, credit: wire.BodyCredit, last: now}
	r.counted.Store(true)
	r.more.L = &r.mu
	if !t.expect(r) {
		r.uncount()
		return nil
	}
	if !key.Response {
		t.set.standing.add(r, now+int64(Idle))
	}
	return r
}

// uncount makes room for another. Idempotent.
func (r *Reader) uncount() {
	if r.counted.Swap(false) {
		r.table.set.in.Add(-1)
	}
}

// Read implements io.Reader. It blocks until there is data, the body's end
// (io.EOF), or an error: ErrLinkDown, ErrTimeout when a request's body stood still
// for a minute, ErrClosed after Close, a *RemoteError when the sender broke it off.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	for r.held == 0 && r.err == nil {
		r.more.Wait() // ended by data, by the sweep, and with the link
	}
	if r.held == 0 || r.dropped {
		err := r.err
		r.mu.Unlock()
		return 0, err
	}
	return r.take(p), nil
}

// TryRead is Read that doesn't wait: 0 and no error say that there is nothing yet. ready is called
// then, once, when there is: by whoever brings it, which may be the goroutine that reads the link,
// so it must not block.
func (r *Reader) TryRead(p []byte, ready func()) (int, error) {
	r.mu.Lock()
	if r.held == 0 || r.dropped {
		err := r.err
		if err == nil {
			r.ready = ready
		}
		r.mu.Unlock()
		return 0, err
	}
	return r.take(p), nil
}

// take moves what is held to p, and grants more. mu is held, and released.
func (r *Reader) take(p []byte) int {
	n := 0
	for n < len(p) && r.held > 0 {
		b := r.blocks[0]
		k := copy(p[n:], b[r.off:])
		n += k
		r.off += k
		r.held -= k
		if r.off == len(b) {
			freeBlock(b)
			r.blocks = append(r.blocks[:0], r.blocks[1:]...)
			r.off = 0
		}
	}
	grant := r.grant()
	r.mu.Unlock()
	r.table.set.held.Add(-int64(n))
	if grant > 0 {
		r.table.link.Credit(r.key.flags(), r.key.ID, grant)
	}
	return n
}

// tell ends a change of what can be read: it unlocks mu and notifies the reader that waits.
func (r *Reader) tell() {
	var ready func()
	if r.held > 0 || r.err != nil {
		ready, r.ready = r.ready, nil
	}
	r.more.Broadcast()
	r.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// Buffered is how many bytes Read returns without waiting.
func (r *Reader) Buffered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// Await waits for the first byte that Read would return, for d at most; 0: for as long as it takes.
// The error is nil if there is one, or the time is up; else it is that with which the body has
// ended.
func (r *Reader) Await(d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 || r.err != nil {
		return r.first()
	}
	up := false
	if d > 0 {
		t := time.AfterFunc(d, func() {
			r.mu.Lock()
			up = true
			r.more.Broadcast()
			r.mu.Unlock()
		})
		defer t.Stop()
	}
	for r.held == 0 && r.err == nil && !up {
		r.more.Wait()
	}
	return r.first()
}

// first is Await's result. mu is held.
func (r *Reader) first() error {
	if r.held > 0 && !r.dropped {
		return nil
	}
	return r.err
}

// grant works out what to grant now: nothing until it is worth a frame. mu is
// held.
func (r *Reader) grant() int {
	if r.err != nil {
		return 0
	}
	target := int(min(max(Memory/max(r.table.set.in.Load(), 1), wire.BodyCredit), MaxCredit))
	n := target - r.credit - r.held
	if n < target/4 {
		return 0
	}
	if r.credit == 0 {
		r.last = r.table.set.Now() // from now on it is the sender who may stand still
	}
	r.credit += n
	return n
}

// Close says that nothing more is wanted of the body: the sender of a response
// is told to stop. Idempotent.
func (r *Reader) Close() error {
	if r.drop(ErrClosed) && r.key.Response {
		r.table.set.Cancels.Inc()
		r.table.link.Cancel(r.key.ID)
	}
	return nil
}

// drop throws away what is held and what will come. It reports whether the
// body was still under way.
func (r *Reader) drop(err error) bool {
	r.mu.Lock()
	defer r.tell()
	under := r.err == nil
	if under || r.held > 0 {
		r.err = err
	}
	r.dropped = true
	for _, b := range r.blocks {
		freeBlock(b)
	}
	r.table.set.held.Add(-int64(r.held))
	r.blocks, r.held, r.off = nil, 0, 0
	return under
}

// arrived takes the bytes of a data frame, which it copies. Called by the
// link's reader; it doesn't block.
func (r *Reader) arrived(b []byte, now int64) error {
	r.mu.Lock()
	defer r.tell()
	if len(b) > r.credit {
		return fmt.Errorf("%w: %d bytes of a body, but only %d were granted", wire.ErrMalformed, len(b), r.credit)
	}
	r.credit -= len(b)
	r.last = now
	if r.dropped || r.err != nil {
		// Nobody will grant more, but who was cancelled has yet to see it.
		return nil
	}
	if r.table.set.held.Add(int64(len(b))) > mostHeld {
		r.table.set.held.Add(-int64(len(b)))
		return ErrTooMany
	}
	r.held += len(b)
	for len(b) > 0 {
		n := len(r.blocks)
		if n == 0 || len(r.blocks[n-1]) == cap(r.blocks[n-1]) {
			if n == 0 {
				r.blocks = append(r.blocks, newBlock(len(b)))
			} else {
				r.blocks = append(r.blocks, newBlock(BlockSize))
			}
			n++
		}
		last := r.blocks[n-1]
		k := copy(last[len(last):cap(last)], b)
		r.blocks[n-1] = last[:len(last)+k]
		b = b[k:]
	}
	return nil
}

// end is the end of the body: io.EOF, or why there is none. It reports whether
// the body was still under way.
func (r *Reader) end(err error) bool {
	r.mu.Lock()
	defer r.tell()
	under := r.err == nil
	if under {
		r.err = err
	}
	return under
}

// overdue implements standing: a request's body whose sender has had credit, and sent nothing for
// too long, is given up. That of a response may be quiet for as long as its link lives.
func (r *Reader) overdue(now int64) (next int64) {
	t := r.table
	t.link.Lock()
	defer t.link.Unlock()
	if t.readers[r.key] != r {
		return 0
	}
	r.mu.Lock()
	waits, due := r.credit > 0, r.last+int64(Idle)
	r.mu.Unlock()
	switch {
	case !waits: // it is our side that doesn't read
		return now + int64(Idle)
	case due > now:
		return due
	}
	delete(t.readers, r.key)
	r.uncount()
	t.set.Go(func() { r.end(ErrTimeout) }) // which tells others, and not under the link's lock
	return 0
}

// gone is called once, by whoever took the reader off its link's table. The end of
// a response's body is the end of the exchange.
func (r *Reader) gone() {
	r.uncount()
	if !r.key.Response {
		return
	}
	r.table.link.Lock()
	r.table.Halt(Key{ID: r.key.ID}, ErrAnswered)
	r.table.link.Unlock()
}
