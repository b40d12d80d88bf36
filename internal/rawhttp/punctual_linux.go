package rawhttp

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slice is how long a Punctual thread asks to run at once, in ns: the least that the kernel gives.
const slice = 100_000

// Punctual makes waits of the calling thread, which its goroutine must be locked to, end on time: the
// kernel then adds no slack of 50 µs to them (prctl(2)), and where it can (Linux 6.12) lets a thread
// that asks for short slices begin sooner when it is woken. Both are wishes, which cost the others
// nothing but wake-ups that are not gathered.
func Punctual() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)                                                                  // a wish
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: slice}, 0) // as above
}

// Sleep sleeps without telling the scheduler of goroutines: a timer may be a millisecond late where
// nothing else goes on. The thread keeps its core, as with NativeHoldsCore, so it is for short times.
// A signal may end it sooner.
func Sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // whoever calls looks at the clock again
}
