package nanobus

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

const (
	// maxGathered is how many bytes may wait for a link's writer before
	// senders feel it: requests go elsewhere, replies wait.
	maxGathered = 4 << 20

	// batchSize is where a batch is cut into messages; only a frame that is
	// larger by itself makes a larger message. mangos' pool has nothing for
	// messages of 64 KiB and more: batches of 1 MiB cost five times as much
	// per request, for their garbage
	// (BenchmarkRequestReply/peer=nanobus/callers=256/body=4096).
	batchSize = 60 << 10

	// smallBuffer is what each of a link's two buffers may always keep. A
	// larger one goes when it was not even a quarter full for so many writes.
	smallBuffer = 64 << 10
	shrinkAfter = 256

	// sentRing is for how many writes back a link remembers the time.
	sentRing = 256
)

// maxNow is how much is sent at once by the goroutine that has it, without the writer: more
// would cost more to copy than a change of goroutine.
const maxNow = 16 << 10

// yieldLone is after how many messages of one frame the writer yields no more,
// but for one time in yieldTry.
const (
	yieldLone = 8
	yieldTry  = 16
)

// writer is what a link sends: frames gather under its lock, and leave as a
// message by its goroutine, or by whoever has the last of them.
//
// The lock is held when a frame is appended, so that it can hold for more: a
// call is awaited before its request can leave and while the link is known to
// be open; a reply is appended as its request is forgotten; a body is known as
// its first frame is appended; and no request stands behind our ack of the
// peer's draining.
type writer struct {
	link   *Link
	pipe   *sp.Pipe
	canTry bool // the pipe can be written to without blocking

	sentAt [sentRing]int64 // bus time of the writes, atomically accessed
	writes atomic.Uint32   // number of the write that will take what gathers now

	// mu guards what follows, and what of the link's halves says so. It is held
	// for one append of a frame, never over a system call. Only the locks of
	// one of the link's requests or bodies are taken under it.
	mu     sync.Mutex
	space  sync.Cond // gathered bytes have shrunk
	room   func()    // of a body that waits for that; nil: none does
	out    []byte    // frames gathered for the next message
	cuts   []int     // where out is cut into messages
	cut    int       // where the current message began in out
	frames int       // frames in out
	parked bool      // the goroutine waits for wake, and nobody writes
	corked bool      // the reader is at a message, and sends what comes of it afterwards
	closed bool
	waits  int // for all to be written; see flushed

	wake    chan struct{}
	sending sending
}

// sending is what writing needs. It belongs to whoever has cleared writer.parked: the writer, or
// for one message whoever writes in its place.
type sending struct {
	spare []byte // becomes out
	cuts  []int
	loose int    // writes in a row that needed little of their buffer
	rest  []byte // of a message that the system didn't take at once; guarded by writer.mu
}

// takeOut takes all that has gathered. mu is held, and released.
func (w *writer) takeOut() (buf []byte, frames int) {
	s := &w.sending
	buf, frames = w.out, w.frames
	s.cuts = append(s.cuts[:0], w.cuts...)
	if s.loose++; cap(buf) <= smallBuffer || len(buf) > cap(buf)/4 {
		s.loose = 0
	}
	if s.loose > shrinkAfter {
		s.spare, s.loose = nil, 0
	}
	w.out, w.cuts, w.cut, w.frames = s.spare[:0], w.cuts[:0], 0, 0
	n := w.writes.Load()
	atomic.StoreInt64(&w.sentAt[n%sentRing], w.link.bus.now())
	w.writes.Store(n + 1)
	if w.room != nil {
		w.room()
	}
	w.mu.Unlock()
	if taps := w.link.bus.taps.of(w.link); taps != nil {
		tapMessage(taps, w.link, buf)
	}
	m := w.link.bus.metrics
	m.messagesOut.Add(uint64(len(s.cuts) + 1))
	m.framesOut.Add(uint64(frames))
	m.bytesOut.Add(uint64(len(buf)))
	return buf, frames
}

// run sends what has gathered, again and again, until the link closes.
//
// It yields once before it takes the gathered frames. The sender that woke it
// put it next in line, ahead of everybody who is about to send too; after the
// yield they have run and their frames are there. With 256 callers that makes
// 46 frames a message instead of 4, and two to three times the throughput
// (BenchmarkLink_Yield). Where nobody is about to send, a yield wakes a thread
// for nothing: after some messages of one frame it is left out, but for a
// try now and then, until there are several again.
func (w *writer) run() {
	var yield yielding
	for {
		w.mu.Lock()
		for len(w.out) == 0 && w.sending.rest == nil {
			if w.closed {
				w.mu.Unlock()
				return
			}
			w.park()
			w.mu.Unlock()
			<-w.wake
			if !w.link.bus.opts.noYield && yield.pays() {
				runtime.Gosched()
			}
			w.mu.Lock()
		}
		rest := w.sending.rest
		w.sending.rest = nil
		if rest != nil {
			w.mu.Unlock()
			if err := w.pipe.Finish(rest); err != nil {
				w.failed()
				return
			}
			continue
		}
		buf, frames := w.takeOut()
		yield.wrote(frames)
		w.space.Broadcast()
		err := sendCut(w.pipe, buf, w.sending.cuts)
		w.sending.spare = buf
		if err != nil {
			w.failed()
			return
		}
	}
}

// yielding is what a writer remembers to tell whether a yield is worth its
// price: how many messages of one frame it has written in a row.
type yielding struct{ lone int }

func (y *yielding) pays() bool { return y.lone < yieldLone || y.lone%yieldTry == 0 }

func (y *yielding) wrote(frames int) {
	if y.lone++; frames > 1 {
		y.lone = 0
	}
}

// failed ends the link after a write that did.
func (w *writer) failed() {
	w.link.close("write")
	w.mu.Lock()
	w.dropOut()
	w.sending.rest = nil
	w.mu.Unlock()
}

// dropOut drops all that has gathered. mu is held.
func (w *writer) dropOut() { w.out, w.cuts, w.cut, w.frames = nil, w.cuts[:0], 0, 0 }

// writeNow sends what has gathered on the goroutine that calls it, which must
// not block: what the system doesn't take at once is left to the writer. It
// saves two changes of goroutine each way, which is most of what a hop between
// otherwise idle processes costs (BenchmarkRequestReply/peer=nanobus/callers=1).
// mu is held, and released.
func (w *writer) writeNow() {
	w.parked = false
	buf, _ := w.takeOut()
	rest, err := w.pipe.TryWrite(buf)
	w.mu.Lock()
	w.sending.spare = buf
	if err != nil {
		w.dropOut()
	} else if rest != nil {
		w.sending.rest = rest
	}
	wake := w.closed || w.sending.rest != nil || len(w.out) > 0
	if !wake {
		w.park()
	}
	w.mu.Unlock()
	if err != nil {
		w.link.close("write")
	}
	if wake {
		w.wake <- struct{}{}
	}
}

// canNow reports whether writeNow may be called. mu is held.
func (w *writer) canNow() bool {
	return w.canTry && w.parked && !w.closed && len(w.cuts) == 0 && len(w.out) <= maxNow
}

// wakeUp sees to it that what has gathered is being written, corked or not:
// the caller is about to wait for that. mu is held.
func (w *writer) wakeUp() {
	if w.parked && len(w.out) > 0 {
		w.parked = false
		w.wake <- struct{}{} // has room for one, and there is one for each clearing of parked
	}
}

// cork has what is sent on the link wait until uncork. Called by the reader,
// before it acts on a message: what comes of that goes out as one.
func (w *writer) cork() {
	w.mu.Lock()
	w.corked = true
	w.mu.Unlock()
}

// uncork sends what has gathered since cork.
func (w *writer) uncork() {
	w.mu.Lock()
	w.corked = false
	w.pushLocked()
}

// push sends what has gathered, unless the reader is about to.
func (w *writer) push() {
	w.mu.Lock()
	w.pushLocked()
}

// pushLocked is push. mu is held, and released.
func (w *writer) pushLocked() {
	if len(w.out) == 0 || !w.parked || w.corked {
		w.mu.Unlock()
		return
	}
	if w.canNow() {
		w.writeNow()
		return
	}
	w.parked = false
	w.mu.Unlock()
	w.wake <- struct{}{}
}

// commitNow is commit for the only request under way on the link, or the reply
// to the last one: there is nobody whose frames would come too if it waited for
// them.
func (w *writer) commitNow(start int) error {
	n := len(w.out) - start
	if start != 0 || w.corked || n > maxNow || !w.canNow() {
		return w.commit(start)
	}
	wire.End(w.out, start)
	w.frames++
	w.writeNow()
	return nil
}

// sendCut sends buf as the messages that cuts say.
func sendCut(p *sp.Pipe, buf []byte, cuts []int) error {
	from := 0
	for i := 0; i <= len(cuts); i++ {
		to := len(buf)
		if i < len(cuts) {
			to = cuts[i]
		}
		if err := p.Send(buf[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// park notes that nobody writes. mu is held.
func (w *writer) park() {
	w.parked = true
	if w.waits > 0 {
		w.space.Broadcast()
	}
}

// flush waits until all that was gathered has been given to the system.
func (w *writer) flush(deadline time.Time) {
	w.mu.Lock()
	w.flushed(deadline)
	w.mu.Unlock()
}

// flushed is flush; false: the link is closed, or it is too late. mu is held.
func (w *writer) flushed(deadline time.Time) bool {
	late := false
	timer := time.AfterFunc(time.Until(deadline), func() {
		w.mu.Lock()
		late = true
		w.mu.Unlock()
		w.space.Broadcast()
	})
	defer timer.Stop()
	w.waits++
	for !w.closed && !late && (len(w.out) > 0 || !w.parked) {
		w.space.Wait()
	}
	w.waits--
	return !w.closed && !late
}

// endWriting tells the peer that nothing more comes, once all that was gathered
// has been given to the system. It returns false if it can't.
func (w *writer) endWriting(deadline time.Time) bool {
	if !w.pipe.CanCloseWrite() {
		return false
	}
	w.mu.Lock()
	ok := w.flushed(deadline)
	if ok {
		w.closed, w.parked = true, false // for writers; the reader goes on
	}
	w.mu.Unlock()
	if !ok {
		return false
	}
	w.wake <- struct{}{} // the goroutine ends
	return w.pipe.CloseWrite() == nil
}
