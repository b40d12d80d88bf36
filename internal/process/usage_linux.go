package process

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ticks is the unit of times in /proc/PID/stat, USER_HZ: 100 a second on every architecture that Go
// runs on.
const ticks = 100

// readUsage sums the processes of a group up.
func readUsage(pgid int) Usage {
	var sum Usage
	for _, pid := range groupMembers(pgid) {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		stat, ok := readStat(dir)
		if !ok {
			continue // gone meanwhile
		}
		if cpu, ok := schedulerClock(pid); ok {
			sum.CPU += cpu + stat.ended
			sum.Clock = max(sum.Clock, ClockScheduler)
		} else {
			sum.CPU += stat.cpu + stat.ended
			sum.Clock = ClockTicks
		}
		sum.PeakRSS += statusValue(filepath.Join(dir, "status"), "VmHWM:") << 10
		tasks, err := os.ReadDir(filepath.Join(dir, "task"))
		if err != nil {
			continue // as above
		}
		for _, t := range tasks {
			status := filepath.Join(dir, "task", t.Name(), "status")
			sum.Voluntary += statusValue(status, "voluntary_ctxt_switches:")
			sum.Involuntary += statusValue(status, "nonvoluntary_ctxt_switches:")
		}
	}
	return sum
}

// schedulerClock is what all threads of a process have run, in seconds, by the scheduler's own
// clock. It is the sum of /proc/PID/task/*/schedstat, but has the threads that have ended too. The
// clock is the one that clock_getcpuclockid(3) names; false if the system doesn't have it for other
// processes.
func schedulerClock(pid int) (float64, bool) {
	const allThreads = 2 // CPUCLOCK_SCHED, of a process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|allThreads), &t); err != nil { // at most 2^22
		return 0, false
	}
	return float64(t.Nano()) / 1e9, true
}

// ResetPeak makes the peak of memory begin anew. It is a wish: where the system doesn't grant it,
// the peak is that since the start.
func (p *Process) ResetPeak() {
	for _, pid := range groupMembers(p.PID()) {
		_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0) // a wish
	}
}

// groupMembers are the processes of a process group.
func groupMembers(pgid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var members []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, ok := readStat(filepath.Join("/proc", e.Name())); ok && s.pgid == pgid {
			members = append(members, pid)
		}
	}
	return members
}

type procStat struct {
	pgid int
	// In seconds: of the process, and of its children that have ended and were waited for.
	cpu, ended float64
}

// readStat reads /proc/PID/stat, see proc(5).
func readStat(dir string) (procStat, bool) {
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return procStat{}, false
	}
	// pid (name) state ppid pgrp …: the name may have anything in it.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 15 {
		return procStat{}, false
	}
	pgid, err := strconv.Atoi(fields[2])
	if err != nil {
		return procStat{}, false
	}
	var times [4]float64 // utime, stime, cutime, cstime
	for i := range times {
		n, err := strconv.ParseFloat(fields[11+i], 64)
		if err != nil {
			return procStat{}, false
		}
		times[i] = n / ticks
	}
	return procStat{pgid: pgid, cpu: times[0] + times[1], ended: times[2] + times[3]}, true
}

// statusValue is a number of a status file in /proc; 0 if it isn't there.
func statusValue(file, name string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return 0
}

// MachineCPU is how long all CPUs have run programs, in seconds, the time included that a
// hypervisor gave to other machines. Interrupts aren't in it: those of the measurement's own
// traffic are nobody's. It is 0 where /proc/stat has other CPUs than this process may use.
func MachineCPU() float64 {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseMachineCPU(string(raw), runtime.NumCPU())
}

func parseMachineCPU(stat string, cpus int) float64 {
	sum, seen := 0.0, 0
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		// proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
		const least = 9
		if len(fields) < least || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			seen++
			continue
		}
		for _, i := range []int{1, 2, 3, 8} {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return 0
			}
			sum += n / ticks
		}
	}
	if seen != cpus {
		return 0
	}
	return sum
}
