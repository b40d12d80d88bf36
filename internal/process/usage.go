package process

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// The clocks of [Usage.Clock].
const (
	// ClockScheduler counts what each thread ran, in nanoseconds.
	ClockScheduler = "scheduler"
	// ClockTicks is user and system time in /proc/PID/stat, to 10 ms. It aliases with a load that
	// is paced.
	ClockTicks = "ticks"
)

// Usage is what a process and its workers have used since their start. What the system doesn't tell
// is 0.
type Usage struct {
	// CPU is time in seconds.
	CPU float64
	// Clock says by which clock; empty if that isn't known.
	Clock string
	// PeakRSS is the most memory in bytes since the last [Process.ResetPeak], summed over workers.
	PeakRSS int64
	// Voluntary and Involuntary are context switches of the threads that live.
	Voluntary, Involuntary int64
}

func (u Usage) plus(o Usage) Usage {
	return Usage{
		CPU: u.CPU + o.CPU, Clock: max(u.Clock, o.Clock), // the coarser one counts
		PeakRSS:   max(u.PeakRSS, o.PeakRSS),
		Voluntary: u.Voluntary + o.Voluntary, Involuntary: u.Involuntary + o.Involuntary,
	}
}

// Since is what was used after a former Usage of the same process. The peak stays what it is.
func (u Usage) Since(before Usage) Usage {
	return Usage{
		CPU: max(0, u.CPU-before.CPU), Clock: max(u.Clock, before.Clock), PeakRSS: u.PeakRSS,
		Voluntary: max(0, u.Voluntary-before.Voluntary), Involuntary: max(0, u.Involuntary-before.Involuntary),
	}
}

// Usage is what the process has used, all that was started under its name together.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	run, past := p.run, p.past
	p.mu.Unlock()
	if run.ended() {
		return past
	}
	return past.plus(readUsage(run.pid))
}

// finalUsage is what a process that has ended used, its workers included if it waited for them.
func finalUsage(s *os.ProcessState) Usage {
	if s == nil {
		return Usage{}
	}
	u := Usage{CPU: (s.UserTime() + s.SystemTime()).Seconds()}
	if r, ok := s.SysUsage().(*syscall.Rusage); ok && r != nil {
		u.Voluntary, u.Involuntary = int64(r.Nvcsw), int64(r.Nivcsw) //nolint:unconvert // not int64 everywhere
	}
	return u
}

// OwnUsage is what this process has used, without those that it has started.
func OwnUsage() Usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}
	}
	rss := int64(r.Maxrss) //nolint:unconvert // not int64 everywhere
	if runtime.GOOS != "darwin" {
		rss <<= 10 // there it is in bytes
	}
	return Usage{
		CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds(), PeakRSS: rss,
		Voluntary: int64(r.Nvcsw), Involuntary: int64(r.Nivcsw), //nolint:unconvert // as above
	}
}
