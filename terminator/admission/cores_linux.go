package admission

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// threadTimes is how long this process's threads have run, and waited for a core to run on.
func threadTimes() (ran, waited time.Duration, ok bool) {
	const dir = "/proc/self/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, false
	}
	for _, t := range threads {
		b, err := os.ReadFile(filepath.Join(dir, t.Name(), "schedstat"))
		if err != nil {
			continue // it has ended
		}
		f := bytes.Fields(b)
		if len(f) < 2 {
			return 0, 0, false
		}
		r, err1 := strconv.ParseInt(string(f[0]), 10, 64)
		w, err2 := strconv.ParseInt(string(f[1]), 10, 64)
		if err1 != nil || err2 != nil {
			return 0, 0, false
		}
		ran, waited, ok = ran+time.Duration(r), waited+time.Duration(w), true
	}
	return ran, waited, ok
}
