package writer

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/metrics"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

const (
	// MaxGathered is how many bytes may wait for a link's writer before
	// senders feel it: requests go elsewhere, replies wait.
	MaxGathered = 4 << 20

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

	// SentRing is for how many writes back a link remembers the time.
	SentRing = 256
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

// Writer is what a link sends: frames gather under its lock, and leave as a
// message by its goroutine, or by whoever has the last of them.
//
// The lock is held when a frame is appended, so that it can hold for more: package link says what.
type Writer struct {
	Shared *Shared
	End    func(reason string) // ends the link
	Copy   func(batch []byte)  // copies what is about to be sent, while somebody listens in
	Pipe   *sp.Pipe
	CanTry bool // the pipe can be written to without blocking

	SentAt [SentRing]int64 // bus time of the writes, atomically accessed
	Writes atomic.Uint32   // number of the write that will take what gathers now

	// Mu guards what follows, and what of the link's halves says so. It is held
	// for one append of a frame, never over a system call. Only the locks of
	// one of the link's requests or bodies are taken under it.
	Mu     sync.Mutex
	Space  sync.Cond // gathered bytes have shrunk
	room   func()    // of a body that waits for that; nil: none does
	Out    []byte    // frames gathered for the next message
	Cuts   []int     // where Out is cut into messages
	Cut    int       // where the current message began in Out
	Frames int       // frames in Out
	Parked bool      // the goroutine waits for wake, and nobody writes
	corked bool      // the reader is at a message, and sends what comes of it afterwards
	Closed bool
	waits  int // for all to be written; see flushed

	Wake    chan struct{}
	sending sending
}

// sending is what writing needs. It belongs to whoever has cleared Writer.Parked: the writer, or
// for one message whoever writes in its place.
type sending struct {
	spare []byte // becomes Out
	cuts  []int
	loose int    // writes in a row that needed little of their buffer
	rest  []byte // of a message that the system didn't take at once; guarded by Writer.Mu
}

// takeOut takes all that has gathered. Mu is held, and released.
func (w *Writer) takeOut() (buf []byte, frames int) {
	s := &w.sending
	buf, frames = w.Out, w.Frames
	s.cuts = append(s.cuts[:0], w.Cuts...)
	if s.loose++; cap(buf) <= smallBuffer || len(buf) > cap(buf)/4 {
		s.loose = 0
	}
	if s.loose > shrinkAfter {
		s.spare, s.loose = nil, 0
	}
	w.Out, w.Cuts, w.Cut, w.Frames = s.spare[:0], w.Cuts[:0], 0, 0
	n := w.Writes.Load()
	atomic.StoreInt64(&w.SentAt[n%SentRing], w.Shared.Nanos())
	w.Writes.Store(n + 1)
	if w.room != nil {
		w.room()
	}
	w.Mu.Unlock()
	if w.Shared.Tapped.Load() {
		w.Copy(buf)
	}
	m := w.Shared
	m.messagesOut.Add(uint64(len(s.cuts) + 1))
	m.framesOut.Add(uint64(frames))
	m.bytesOut.Add(uint64(len(buf)))
	return buf, frames
}

// Run sends what has gathered, again and again, until the link closes.
//
// It yields once before it takes the gathered frames. The sender that woke it
// put it next in line, ahead of everybody who is about to send too; after the
// yield they have run and their frames are there. With 256 callers that makes
// 46 frames a message instead of 4, and two to three times the throughput
// (BenchmarkLink_Yield). Where nobody is about to send, a yield wakes a thread
// for nothing: after some messages of one frame it is left out, but for a
// try now and then, until there are several again.
func (w *Writer) Run() {
	var yield yielding
	for {
		w.Mu.Lock()
		for len(w.Out) == 0 && w.sending.rest == nil {
			if w.Closed {
				w.Mu.Unlock()
				return
			}
			w.park()
			w.Mu.Unlock()
			<-w.Wake
			if !w.Shared.NoYield && yield.pays() {
				runtime.Gosched()
			}
			w.Mu.Lock()
		}
		rest := w.sending.rest
		w.sending.rest = nil
		if rest != nil {
			w.Mu.Unlock()
			if err := w.Pipe.Finish(rest); err != nil {
				w.failed()
				return
			}
			continue
		}
		buf, frames := w.takeOut()
		yield.wrote(frames)
		w.Space.Broadcast()
		err := sendCut(w.Pipe, buf, w.sending.cuts)
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
func (w *Writer) failed() {
	w.End("write")
	w.Mu.Lock()
	w.dropOut()
	w.sending.rest = nil
	w.Mu.Unlock()
}

// dropOut drops all that has gathered. Mu is held.
func (w *Writer) dropOut() { w.Out, w.Cuts, w.Cut, w.Frames = nil, w.Cuts[:0], 0, 0 }

// WriteNow sends what has gathered on the goroutine that calls it, which must
// not block: what the system doesn't take at once is left to the writer. It
// saves two changes of goroutine each way, which is most of what a hop between
// otherwise idle processes costs (BenchmarkRequestReply/peer=nanobus/callers=1).
// Mu is held, and released.
func (w *Writer) WriteNow() {
	w.Parked = false
	buf, _ := w.takeOut()
	rest, err := w.Pipe.TryWrite(buf)
	w.Mu.Lock()
	w.sending.spare = buf
	if err != nil {
		w.dropOut()
	} else if rest != nil {
		w.sending.rest = rest
	}
	wake := w.Closed || w.sending.rest != nil || len(w.Out) > 0
	if !wake {
		w.park()
	}
	w.Mu.Unlock()
	if err != nil {
		w.End("write")
	}
	if wake {
		w.Wake <- struct{}{}
	}
}

// CanNow reports whether WriteNow may be called. Mu is held.
func (w *Writer) CanNow() bool {
	return w.CanTry && w.Parked && !w.Closed && len(w.Cuts) == 0 && len(w.Out) <= maxNow
}

// WakeUp sees to it that what has gathered is being written, corked or not:
// the caller is about to wait for that. Mu is held.
func (w *Writer) WakeUp() {
	if w.Parked && len(w.Out) > 0 {
		w.Parked = false
		w.Wake <- struct{}{} // has room for one, and there is one for each clearing of parked
	}
}

// Cork has what is sent on the link wait until Uncork. Called by the reader,
// before it acts on a message: what comes of that goes out as one.
func (w *Writer) Cork() {
	w.Mu.Lock()
	w.corked = true
	w.Mu.Unlock()
}

// Uncork sends what has gathered since Cork.
func (w *Writer) Uncork() {
	w.Mu.Lock()
	w.corked = false
	w.pushLocked()
}

// Push sends what has gathered, unless the reader is about to.
func (w *Writer) Push() {
	w.Mu.Lock()
	w.pushLocked()
}

// pushLocked is Push. Mu is held, and released.
func (w *Writer) pushLocked() {
	if len(w.Out) == 0 || !w.Parked || w.corked {
		w.Mu.Unlock()
		return
	}
	if w.CanNow() {
		w.WriteNow()
		return
	}
	w.Parked = false
	w.Mu.Unlock()
	w.Wake <- struct{}{}
}

// CommitNow is Commit for the only request under way on the link, or the reply
// to the last one: there is nobody whose frames would come too if it waited for
// them.
func (w *Writer) CommitNow(start int) error {
	n := len(w.Out) - start
	if start != 0 || w.corked || n > maxNow || !w.CanNow() {
		return w.Commit(start)
	}
	wire.End(w.Out, start)
	w.Frames++
	w.WriteNow()
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

// park notes that nobody writes. Mu is held.
func (w *Writer) park() {
	w.Parked = true
	if w.waits > 0 {
		w.Space.Broadcast()
	}
}

// Flush waits until all that was gathered has been given to the system.
func (w *Writer) Flush(deadline time.Time) {
	w.Mu.Lock()
	w.flushed(deadline)
	w.Mu.Unlock()
}

// flushed is Flush; false: the link is closed, or it is too late. Mu is held.
func (w *Writer) flushed(deadline time.Time) bool {
	late := false
	timer := time.AfterFunc(time.Until(deadline), func() {
		w.Mu.Lock()
		late = true
		w.Mu.Unlock()
		w.Space.Broadcast()
	})
	defer timer.Stop()
	w.waits++
	for !w.Closed && !late && (len(w.Out) > 0 || !w.Parked) {
		w.Space.Wait()
	}
	w.waits--
	return !w.Closed && !late
}

// EndWriting tells the peer that nothing more comes, once all that was gathered
// has been given to the system. It returns false if it can't.
func (w *Writer) EndWriting(deadline time.Time) bool {
	if !w.Pipe.CanCloseWrite() {
		return false
	}
	w.Mu.Lock()
	ok := w.flushed(deadline)
	if ok {
		w.Closed, w.Parked = true, false // for writers; the reader goes on
	}
	w.Mu.Unlock()
	if !ok {
		return false
	}
	w.Wake <- struct{}{} // the goroutine ends
	return w.Pipe.CloseWrite() == nil
}

// Shared is what the writers of a process have in common.
type Shared struct {
	Tapped  atomic.Bool // somebody listens in
	NoYield bool        // for BenchmarkLink_Yield

	Epoch       time.Time
	EpochMicros int64

	messagesOut, framesOut, bytesOut *metrics.Counter
	payloadFailed                    func(p wire.Payload, cause any, stack []byte) error
}

// Init starts the bus time.
func (s *Shared) Init(messages, frames, bytes *metrics.Counter, payloadFailed func(p wire.Payload, cause any, stack []byte) error) {
	s.Epoch = time.Now()
	s.EpochMicros = s.Epoch.UnixMicro()
	s.messagesOut, s.framesOut, s.bytesOut, s.payloadFailed = messages, frames, bytes, payloadFailed
}

// Nanos is the bus time: time since the bus was made, by the monotonic clock.
func (s *Shared) Nanos() int64 { return int64(time.Since(s.Epoch)) }

// WallMicros turns bus time into µs since 1970.
func (s *Shared) WallMicros(ns int64) uint64 { return uint64(s.EpochMicros + ns/1000) }
