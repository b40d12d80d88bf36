package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// What a process uses that mostly sleeps is less than a tick, and is counted all the same: ticks
// alias with a load that is paced.
func TestUsage_CountsLessThanATick(t *testing.T) {
	p := shell(t, newGroup(), `echo ready; exec sleep 60`, time.Second)
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

func TestMachineCPU(t *testing.T) {
	const stat = "cpu  1000 200 300 9999 50 60 70 800 5 5\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\nintr 1\n"
	if got := parseMachineCPU(stat, 2); got != 23 {
		t.Errorf("%v s of CPU, want 23: user, nice, system and steal", got)
	}
	for _, bad := range []string{"", "cpu  1 2\n", strings.Replace(stat, "1000", "x", 1)} {
		if got := parseMachineCPU(bad, 2); got != 0 {
			t.Errorf("%q gives %v s", bad, got)
		}
	}
	if got := parseMachineCPU(stat, 4); got != 0 {
		t.Errorf("%v s of CPUs that aren't ours", got)
	}
}
