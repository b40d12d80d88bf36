package load

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptors is how many files the process may have open. Package os has
// raised the limit as far as it goes.
func descriptors() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(l.Cur)
}

// usage is the CPU time of the process so far.
func usage() CPU {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return CPU{}
	}
	return CPU{User: seconds(u.Utime), System: seconds(u.Stime)}
}

func seconds(t unix.Timeval) float64 { return float64(t.Nano()) / 1e9 }
