package load

import "golang.org/x/sys/unix"

// threadUsage is the CPU time of the calling thread so far.
func threadUsage() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return seconds(u.Utime) + seconds(u.Stime)
}
