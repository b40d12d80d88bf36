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
// that asks for short slices begin sooner when it is woken: on two cores with ten others ready to run,
// the latest 1 % of 3,000 wake-ups a second were 0.3 to 1.2 ms late, and 0.4 to 2.1 ms without.
// Both are wishes. A policy that somebody has chosen for the process (chrt(1)) stays.
func Punctual() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // a wish
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil || now.Policy != unix.SCHED_NORMAL && now.Policy != unix.SCHED_BATCH {
		return
	}
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: now.Nice, Runtime: slice}, 0) // as above
}

// Sleep sleeps without telling the scheduler of goroutines: a timer may be a millisecond late where
// nothing else goes on. The thread keeps its core, as with NativeHoldsCore, so it is for short times.
// A signal may end it sooner.
func Sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // whoever calls looks at the clock again
}
