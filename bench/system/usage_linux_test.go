package system

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// What a process uses that mostly sleeps is less than a tick, and is counted all the same: ticks alias with a load
// that is paced.
func TestUsage_CountsLessThanATick(t *testing.T) {
	p := shell(t, NewGroup(), `echo ready; exec sleep 60`, time.Second)
	testutil.Eventually(t, "it sleeps", func() bool { return strings.Contains(p.Output(), "ready") && p.Usage().CPU > 0 })
	u := p.Usage()
	if u.Clock != ClockScheduler {
		testutil.Skip(t, "counted by %q: this system has no clock of the scheduler for other processes", u.Clock)
	}
	if again := p.Usage(); again.CPU < u.CPU || again.CPU > u.CPU+1 {
		t.Errorf("%v s and then %v s of CPU for a sleep", u.CPU, again.CPU)
	}
	if ran := schedstat(t, p.PID()); ran > 0 {
		testutil.Eventually(t, "it agrees with schedstat", func() bool { return p.Usage().CPU == schedstat(t, p.PID()) })
	}
}

// schedstat is what the threads of a process have run in seconds; 0 if the system doesn't tell.
func schedstat(t *testing.T, pid int) float64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/schedstat"))
	if err != nil {
		t.Fatal(err)
	}
	var ns int64
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatalf("%s: %q", f, raw)
		}
		ns += n
	}
	return float64(ns) / 1e9
}

func TestUsage_TheCoarserClockCounts(t *testing.T) {
	exact, coarse := Usage{CPU: 1, Clock: ClockScheduler}, Usage{CPU: 2, Clock: ClockTicks}
	if got := exact.plus(coarse).Clock; got != ClockTicks {
		t.Errorf("the sum is counted by %q", got)
	}
	if got := exact.Since(Usage{}).Clock; got != ClockScheduler {
		t.Errorf("the difference to nothing is counted by %q", got)
	}
}
