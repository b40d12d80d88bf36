package result

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNoiseOf_TellsWhatWasLost(t *testing.T) {
	took := make([]float64, 1000)
	for i := range took {
		took[i] = 100
	}
	took[500] = 11_000 // somebody else had the core for 10.9 ms
	n := noiseOf(took)
	if n.SpinP50 != 100 || n.SpinP99 != 100 || n.SpinMax != 11_000 || math.Abs(n.LostPercent-10_900.0/110_900*100) > 1e-9 {
		t.Errorf("noise %+v, want 9.83 %% lost", n)
	}
	if noiseOf(nil) != (Noise{}) {
		t.Error("noise of nothing")
	}
}

func TestMeasureNoise(t *testing.T) {
	start := time.Now()
	n := MeasureNoise(0) // the least there is
	if n.SpinP50 <= 0 || n.SpinP99 < n.SpinP50 || n.SpinMax < n.SpinP99 || n.LostPercent < 0 || n.LostPercent >= 100 {
		t.Errorf("noise %+v", n)
	}
	if took := time.Since(start); took < spinLeast {
		t.Errorf("took %v, less than it is to measure for", took)
	}
}

func TestReadMachine(t *testing.T) {
	root := t.TempDir()
	for _, f := range [][2]string{
		{"proc/cpuinfo", "processor\t: 0\nmodel name\t: A CPU: fast\n\nprocessor\t: 1\nmodel name\t: Another\n"},
		{"proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n"},
		{"proc/sys/kernel/osrelease", "6.1.0\n"},
		{"proc/sys/kernel/sched_autogroup_enabled", "1\n"},
		{"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"},
		{"sys/fs/cgroup/cpu.max", "150000 100000\n"},
		{"sys/fs/cgroup/memory.max", "1073741824\n"},
	} {
		name := filepath.Join(root, f[0])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f[1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := Environment{
		CPU: "A CPU: fast", MemoryMB: 7812, Kernel: "6.1.0", Autogroup: "on", Governor: "performance",
		Limits: []string{"CPU quota 150000 of 100000 µs", "memory 1024 MiB"},
	}
	if diff := cmp.Diff(want, readMachine(root)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Environment{}, readMachine(t.TempDir())); diff != "" {
		t.Errorf("where nothing is told: %s", diff)
	}
	if e := ReadEnvironment(); e.Cores == 0 || e.Go == "" || e.OS == "" || e.Commit == "" {
		t.Errorf("this machine: %+v", e)
	}
}
