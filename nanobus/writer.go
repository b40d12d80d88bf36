package nanobus

import (
	"runtime"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
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

// turn is what writing needs. It belongs to whoever has cleared Link.parked:
// the writer, or for one message who writes in its place.
type turn struct {
	spare []byte // becomes out
	cuts  []int
	loose int    // writes in a row that needed little of their buffer
	rest  []byte // of a message that the system didn't take at once; guarded by Link.mu
}

// takeOut takes all that has gathered. mu is held, and released.
func (l *Link) takeOut() (buf []byte, frames int) {
	t := &l.turn
	buf, frames = l.out, l.frames
	t.cuts = append(t.cuts[:0], l.cuts...)
	if t.loose++; cap(buf) <= smallBuffer || len(buf) > cap(buf)/4 {
		t.loose = 0
	}
	if t.loose > shrinkAfter {
		t.spare, t.loose = nil, 0
	}
	l.out, l.cuts, l.cut, l.frames = t.spare[:0], l.cuts[:0], 0, 0
	n := l.writes.Load()
	atomic.StoreInt64(&l.sentAt[n%sentRing], l.bus.now())
	l.writes.Store(n + 1)
	l.mu.Unlock()
	if taps := l.taps(); taps != nil {
		l.tapMessage(taps, buf)
	}
	m := l.bus.metrics
	m.messagesOut.Add(uint64(len(t.cuts) + 1))
	m.framesOut.Add(uint64(frames))
	m.bytesOut.Add(uint64(len(buf)))
	return buf, frames
}

// writer sends what has gathered, again and again, until the link closes.
//
// It yields once before it takes the gathered frames. The sender that woke it
// put it next in line, ahead of everybody who is about to send too; after the
// yield they have run and their frames are there. With 256 callers that makes
// 46 frames a message instead of 4, and two to three times the throughput
// (BenchmarkLink_Yield). Where nobody is about to send, a yield wakes a thread
// for nothing: after some messages of one frame it is left out, but for a
// try now and then, until there are several again.
func (l *Link) writer() {
	defer l.writing.Done()
	var yield yielding
	for {
		l.mu.Lock()
		for len(l.out) == 0 && l.turn.rest == nil {
			if l.closed {
				l.mu.Unlock()
				return
			}
			l.parked = true
			l.mu.Unlock()
			<-l.wake
			if !l.bus.opts.noYield && yield.pays() {
				runtime.Gosched()
			}
			l.mu.Lock()
		}
		rest := l.turn.rest
		l.turn.rest = nil
		if rest != nil {
			l.mu.Unlock()
			if err := l.pipe.Finish(rest); err != nil {
				l.failed()
				return
			}
			continue
		}
		buf, frames := l.takeOut()
		yield.wrote(frames)
		l.space.Broadcast()
		err := l.write(buf, l.turn.cuts)
		l.turn.spare = buf
		if err != nil {
			l.failed()
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
func (l *Link) failed() {
	l.close("write")
	l.mu.Lock()
	l.dropOut()
	l.turn.rest = nil
	l.mu.Unlock()
}

// dropOut drops all that has gathered. mu is held.
func (l *Link) dropOut() { l.out, l.cuts, l.cut, l.frames = nil, l.cuts[:0], 0, 0 }

// writeNow sends what has gathered on the goroutine that calls it, which must
// not block: what the system doesn't take at once is left to the writer. It
// saves two changes of goroutine each way, which is most of what a hop between
// otherwise idle processes costs (BenchmarkRequestReply/peer=nanobus/callers=1).
// mu is held, and released.
func (l *Link) writeNow() {
	l.parked = false
	buf, _ := l.takeOut()
	rest, err := l.pipe.TryWrite(buf)
	l.mu.Lock()
	l.turn.spare = buf
	if err != nil {
		l.dropOut()
	} else if rest != nil {
		l.turn.rest = rest
	}
	wake := l.closed || l.turn.rest != nil || len(l.out) > 0
	l.parked = !wake
	l.mu.Unlock()
	if err != nil {
		l.close("write")
	}
	if wake {
		l.wake <- struct{}{}
	}
}

// canNow reports whether writeNow may be called. mu is held.
func (l *Link) canNow() bool {
	return l.canTry && l.parked && !l.closed && len(l.cuts) == 0 && len(l.out) <= maxNow
}

// rouse sees to it that what has gathered is being written, corked or not:
// the caller is about to wait for that. mu is held.
func (l *Link) rouse() {
	if l.parked && len(l.out) > 0 {
		l.parked = false
		l.wake <- struct{}{} // has room for one, and there is one for each clearing of parked
	}
}

// cork has what is sent on the link wait until uncork. Called by the reader,
// before it acts on a message: what comes of that goes out as one.
func (l *Link) cork() {
	l.mu.Lock()
	l.corked = true
	l.mu.Unlock()
}

// uncork sends what has gathered since cork.
func (l *Link) uncork() {
	l.mu.Lock()
	l.corked = false
	l.pushLocked()
}

// push sends what has gathered, unless the reader is about to.
func (l *Link) push() {
	l.mu.Lock()
	l.pushLocked()
}

// pushLocked is push. mu is held, and released.
func (l *Link) pushLocked() {
	if len(l.out) == 0 || !l.parked || l.corked {
		l.mu.Unlock()
		return
	}
	if l.canNow() {
		l.writeNow()
		return
	}
	l.parked = false
	l.mu.Unlock()
	l.wake <- struct{}{}
}

// commitNow is commit for the only request under way on the link, or the reply
// to the last one: there is nobody whose frames would come too if it waited for
// them.
func (l *Link) commitNow(start int) error {
	n := len(l.out) - start
	if start != 0 || l.corked || n > maxNow || !l.canNow() {
		return l.commit(start)
	}
	wire.End(l.out, start)
	l.frames++
	l.writeNow()
	return nil
}

// write sends buf as the messages that cuts say.
func (l *Link) write(buf []byte, cuts []int) error {
	from := 0
	for i := 0; i <= len(cuts); i++ {
		to := len(buf)
		if i < len(cuts) {
			to = cuts[i]
		}
		if err := l.pipe.Send(buf[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// flush waits until all that was gathered has been given to the system.
func (l *Link) flush(deadline time.Time) {
	for time.Now().Before(deadline) {
		l.mu.Lock()
		done := l.closed || (len(l.out) == 0 && l.parked)
		l.mu.Unlock()
		if done {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
