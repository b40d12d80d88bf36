package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracing is where the kernel may show its trace points.
var tracing = []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}

// Calls counts the system calls of a process and its workers. Counting makes each system call of
// the whole machine somewhat slower, so CPU time is to be measured at another time.
type Calls struct{ counters []int }

// CountCalls begins to count; the caller must Stop it. It takes perf_event_open(2), root or
// CAP_PERFMON, and a tracefs that is mounted; the error says what is missing.
func (p *Process) CountCalls() (*Calls, error) {
	point, err := sysEnter()
	if err != nil {
		return nil, err
	}
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_TRACEPOINT, Config: point, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits: unix.PerfBitInherit, // threads and workers that are still to come
	}
	c := &Calls{}
	for _, pid := range groupMembers(p.PID()) {
		tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
		if err != nil {
			continue // gone meanwhile
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			switch {
			case errors.Is(err, unix.ESRCH): // gone meanwhile
			case err != nil:
				c.Stop()
				return nil, fmt.Errorf("counting the system calls of %s: %w (it takes root, or CAP_PERFMON)", p.Name, err)
			default:
				c.counters = append(c.counters, fd)
			}
		}
	}
	return c, nil
}

// Stop ends the counting, and returns how many calls there were.
func (c *Calls) Stop() int64 {
	var sum int64
	for _, fd := range c.counters {
		var value [8]byte
		if n, err := unix.Read(fd, value[:]); err == nil && n == len(value) {
			sum += int64(binary.NativeEndian.Uint64(value[:]))
		}
		_ = unix.Close(fd) // nothing is written to it
	}
	c.counters = nil
	return sum
}

// sysEnter is the number of the trace point that every system call passes.
func sysEnter() (uint64, error) {
	var first error
	for _, dir := range tracing {
		raw, err := os.ReadFile(filepath.Join(dir, "events/raw_syscalls/sys_enter/id"))
		if err == nil {
			return strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
		}
		if first == nil {
			first = err
		}
	}
	return 0, fmt.Errorf("no trace point of system calls: %w (it takes root, and tracefs: mount -t tracefs tracefs %s)", first, tracing[0])
}
