package eventloop

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Live wakes all loops, and reports nil if each takes a turn within that time: that their process
// runs says little, and a loop that is idle takes none by itself.
func (ls *Loops) Live(within time.Duration) error {
	before := make([]uint32, len(ls.loops))
	for i, l := range ls.loops {
		before[i] = l.turns.Load()
		l.queue.wake()
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ; <-tick.C {
		stuck := 0
		for i, l := range ls.loops {
			if l.turns.Load() == before[i] {
				stuck++
			}
		}
		switch {
		case stuck == 0 || ls.stop():
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("eventloop: %d of %d event loops have done nothing for %v", stuck, len(ls.loops), within)
		}
	}
}

// wake has the loop look, though nothing was left for it.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return
	}
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(q.event), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one)) // as in later
}
