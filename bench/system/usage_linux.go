package system

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticks is the unit of times in /proc/PID/stat, USER_HZ: 100 a second on every architecture that Go runs on.
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
		sum.CPU += stat.cpu
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

// ResetPeak makes the peak of memory begin anew. It is a wish: where the system doesn't grant it, the
// peak is that since the start.
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
	cpu  float64 // seconds, those of children that were waited for included
}

// readStat reads /proc/PID/stat, see proc(5).
func readStat(dir string) (procStat, bool) {
	raw, err := os.ReadFile(filepath.Join(dir, "stat")) //nolint:gosec // a file of the system
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
	var sum float64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return procStat{}, false
		}
		sum += n
	}
	return procStat{pgid: pgid, cpu: sum / ticks}, true
}

// statusValue is a number of a status file in /proc; 0 if it isn't there.
func statusValue(file, name string) int64 {
	raw, err := os.ReadFile(file) //nolint:gosec // a file of the system
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
