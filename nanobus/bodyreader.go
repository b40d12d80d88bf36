package nanobus

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

const (
	// maxBodyCredit is what a reader that keeps up has granted at any time. On
	// loopback the throughput of one body grows until here and not beyond.
	maxBodyCredit = 256 << 10

	// bodyMemory is what all bodies that a bus receives may hold together,
	// beyond BodyCredit for each, and bodiesMemory what they may hold in all: one
	// more byte, and the body that it belongs to is given up.
	bodyMemory   = 32 << 20
	bodiesMemory = 128 << 20

	// bodyBlock is the unit in which received bytes are kept.
	bodyBlock  = 32 << 10
	smallBlock = 1 << 10

	// bodyIdle is for how long a request's body may stand still: without data
	// though there is credit, or without credit. A response's body may for as
	// long as its link lives.
	bodyIdle = 60 * time.Second
)

// bodyKey finds a body on its link. The two ends number their requests apart,
// so the direction belongs to it.
type bodyKey struct {
	id       uint64
	response bool
}

// BodyReader is the rest of a request's or a response's body, as it comes in
// chunks. What has come and was not read yet is held here, never more than was
// granted to the sender; a reader that is slow or stops makes its own sender
// wait, and nothing else on the link.
//
// It is for one goroutine at a time, except that Close may be called from any.
type BodyReader struct {
	link    *Link
	key     bodyKey
	counted atomic.Bool // among those of which there may be Options.MaxBodies

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

// A body's first bytes, when none are held, get a small block: of ten thousand streams that are told the same
// event, all may hold it for a moment.
var (
	blockPool = sync.Pool{New: func() any { return new([bodyBlock]byte) }}
	smallPool = sync.Pool{New: func() any { return new([smallBlock]byte) }}
)

// newBlock returns an empty block, for n bytes if those are few.
func newBlock(n int) []byte {
	if n <= smallBlock {
		return smallPool.Get().(*[smallBlock]byte)[:0] //nolint:forcetypeassert // the pool has nothing else
	}
	return blockPool.Get().(*[bodyBlock]byte)[:0] //nolint:forcetypeassert // the pool has nothing else
}

func freeBlock(b []byte) {
	if cap(b) == smallBlock {
		smallPool.Put((*[smallBlock]byte)(b[:smallBlock]))
		return
	}
	blockPool.Put((*[bodyBlock]byte)(b[:bodyBlock]))
}

// newBodyReader registers a reader with its link. It returns nil if the bus
// has as many as it may, or the peer has no body to send by that id.
func newBodyReader(l *Link, key bodyKey, now int64) *BodyReader {
	if l.bus.bodiesIn.Add(1) > int64(l.bus.opts.MaxBodies) {
		l.bus.bodiesIn.Add(-1)
		l.bus.metrics.droppedBodies.Inc()
		return nil
	}
	r := &BodyReader{link: l, key: key, credit: BodyCredit, last: now}
	r.counted.Store(true)
	r.more.L = &r.mu
	if !l.expect(r) {
		r.uncount()
		return nil
	}
	if !key.response {
		l.bus.standing.add(r, now+int64(bodyIdle))
	}
	return r
}

// expect makes the reader one of its link, unless the peer uses an id twice at once.
func (l *Link) expect(r *BodyReader) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		r.uncount()
		r.err = ErrLinkDown
		return true
	case l.readers[r.key] != nil:
		l.bus.metrics.droppedStray.Inc()
		return false
	}
	if l.readers == nil {
		l.readers = make(map[bodyKey]*BodyReader)
	}
	l.readers[r.key] = r
	return true
}

// uncount makes room for another. Idempotent.
func (r *BodyReader) uncount() {
	if r.counted.Swap(false) {
		r.link.bus.bodiesIn.Add(-1)
	}
}

// Read implements io.Reader. It blocks until there is data, the body's end
// (io.EOF), or an error: ErrLinkDown, ErrTimeout when a request's body stood still
// for a minute, ErrClosed after Close, a *RemoteError when the sender broke it off.
func (r *BodyReader) Read(p []byte) (int, error) {
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

// TryRead is Read that doesn't wait: 0 and no error say that there is nothing yet. ready is called then, once, when
// there is: by whoever brings it, which may be the goroutine that reads the link, so it must not block.
func (r *BodyReader) TryRead(p []byte, ready func()) (int, error) {
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
func (r *BodyReader) take(p []byte) int {
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
	r.link.bus.bodiesHeld.Add(-int64(n))
	if grant > 0 {
		r.link.sendCredit(r.key, grant)
	}
	return n
}

// tell ends a change of what can be read: it unlocks mu and notifies the reader that waits.
func (r *BodyReader) tell() {
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
func (r *BodyReader) Buffered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// Await waits for the first byte that Read would return, for d at most; 0: for as long as it takes. The error is nil if there is one, or the
// time is up; else it is that with which the body has ended.
func (r *BodyReader) Await(d time.Duration) error {
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
func (r *BodyReader) first() error {
	if r.held > 0 && !r.dropped {
		return nil
	}
	return r.err
}

// grant works out what to grant now: nothing until it is worth a frame. mu is
// held.
func (r *BodyReader) grant() int {
	if r.err != nil {
		return 0
	}
	target := int(min(max(bodyMemory/max(r.link.bus.bodiesIn.Load(), 1), BodyCredit), maxBodyCredit))
	n := target - r.credit - r.held
	if n < target/4 {
		return 0
	}
	if r.credit == 0 {
		r.last = r.link.bus.now() // from now on it is the sender who may stand still
	}
	r.credit += n
	return n
}

// Close says that nothing more is wanted of the body: the sender of a response
// is told to stop. Idempotent.
func (r *BodyReader) Close() error {
	if r.drop(ErrClosed) && r.key.response {
		r.link.bus.metrics.cancelsOut.Inc()
		r.link.control(wire.KindCancel, 0, r.key.id)
	}
	return nil
}

// drop throws away what is held and what will come. It reports whether the
// body was still under way.
func (r *BodyReader) drop(err error) bool {
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
	r.link.bus.bodiesHeld.Add(-int64(r.held))
	r.blocks, r.held, r.off = nil, 0, 0
	return under
}

// arrived takes the bytes of a data frame, which it copies. Called by the
// link's reader; it doesn't block.
func (r *BodyReader) arrived(b []byte, now int64) error {
	r.mu.Lock()
	defer r.tell()
	if len(b) > r.credit {
		return fmt.Errorf("%w: %d bytes of a body, but only %d were granted", ErrMalformed, len(b), r.credit)
	}
	r.credit -= len(b)
	r.last = now
	if r.dropped || r.err != nil {
		// Nobody will grant more, but who was cancelled has yet to see it.
		return nil
	}
	if r.link.bus.bodiesHeld.Add(int64(len(b))) > bodiesMemory {
		r.link.bus.bodiesHeld.Add(-int64(len(b)))
		return ErrTooManyBodies
	}
	r.held += len(b)
	for len(b) > 0 {
		n := len(r.blocks)
		if n == 0 || len(r.blocks[n-1]) == cap(r.blocks[n-1]) {
			if n == 0 {
				r.blocks = append(r.blocks, newBlock(len(b)))
			} else {
				r.blocks = append(r.blocks, newBlock(bodyBlock))
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
func (r *BodyReader) end(err error) bool {
	r.mu.Lock()
	defer r.tell()
	under := r.err == nil
	if under {
		r.err = err
	}
	return under
}

// overdue implements standing: a request's body whose sender has had credit, and sent nothing for too long, is given
// up. That of a response may be quiet for as long as its link lives.
func (r *BodyReader) overdue(now int64) (next int64) {
	l := r.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers[r.key] != r {
		return 0
	}
	r.mu.Lock()
	waits, due := r.credit > 0, r.last+int64(bodyIdle)
	r.mu.Unlock()
	switch {
	case !waits: // it is our side that doesn't read
		return now + int64(bodyIdle)
	case due > now:
		return due
	}
	delete(l.readers, r.key)
	r.uncount()
	l.bus.tasks.Go(func() { r.end(ErrTimeout) }) // which tells others, and not under the link's lock
	return 0
}

// data acts on a data frame. Called by the link's reader.
func (l *Link) data(f wire.Frame, now int64) error {
	key := bodyKey{f.ID, f.Flags&wire.FlagResponse != 0}
	l.mu.Lock()
	r := l.readers[key]
	if r != nil && f.Flags&(wire.FlagEnd|wire.FlagBroken) != 0 {
		delete(l.readers, r.key)
	}
	l.mu.Unlock()
	if r == nil {
		// Of a request that was answered meanwhile.
		l.bus.metrics.droppedLate.Inc()
		return nil
	}
	if f.Flags&wire.FlagBroken != 0 {
		r.end(decodeRemoteError(f.Body))
		r.gone()
		return nil
	}
	switch err := r.arrived(f.Body, now); {
	case errors.Is(err, ErrTooManyBodies):
		l.bus.metrics.droppedBodies.Inc()
		if r.drop(err) && key.response {
			l.bus.metrics.cancelsOut.Inc()
			l.control(wire.KindCancel, 0, f.ID)
		}
	case err != nil:
		return err
	}
	if f.Flags&wire.FlagEnd != 0 {
		r.end(io.EOF)
		r.gone()
		if !key.response {
			l.bodyComplete(f.ID, now)
		}
	}
	return nil
}

// gone is called once, by whoever took the reader off its link's table. The end of
// a response's body is the end of the exchange.
func (r *BodyReader) gone() {
	l := r.link
	r.uncount()
	if !r.key.response {
		return
	}
	l.mu.Lock()
	if w := l.writers[bodyKey{id: r.key.id}]; w != nil {
		w.halt(ErrAnswered)
	}
	l.mu.Unlock()
}

// forgetBody ends the reader of a request's body: the request was answered.
func (l *Link) forgetBody(r *BodyReader) {
	l.mu.Lock()
	there := l.readers[r.key] == r
	if there {
		delete(l.readers, r.key)
	}
	l.mu.Unlock()
	if there {
		r.gone()
	}
	r.drop(ErrClosed)
}

// sendCredit grants the sender of a body n more bytes.
func (l *Link) sendCredit(key bodyKey, n int) {
	flags := uint8(0)
	if key.response {
		flags = wire.FlagResponse
	}
	l.control(wire.KindCredit, flags, key.id, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) // four bytes of a number
}
