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
