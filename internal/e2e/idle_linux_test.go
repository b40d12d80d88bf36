package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestIdle_HardlyWakes: a front and a handler that nobody asks anything wake for pings and little
// else. A busy machine can only make that look worse, so the best of some times counts.
//
// What a wake-up costs is the machine's affair: one and the same build took 0.2 % of a core at one
// time and 0.5 to 1 % an hour later, with nothing beside it. So the wake-ups are held here, and of
// the cores' time only that nothing loops.
func TestIdle_HardlyWakes(t *testing.T) {
	f := startFront(t, frontOptions{})
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
	const while, mostSwitches, mostCPU = 4 * time.Second, 20, 0.05
	pids := map[string]int{"terminator": f.terminator.pid(), "echo": f.echo[0].pid()}
	var figures []string
	for range 12 {
		switches, cpu, ticks := map[string]int{}, 0.0, false
		before := map[string]used{}
		for name, pid := range pids {
			before[name] = usedBy(t, pid)
		}
		began := time.Now()
		time.Sleep(while) // the time that is counted
		took := time.Since(began).Seconds()
		for name, pid := range pids {
			now := usedBy(t, pid)
			switches[name] = int(float64(now.switches-before[name].switches) / took)
			cpu += (now.cpu - before[name].cpu).Seconds() / took
			ticks = ticks || switches[name] > mostSwitches
		}
		if !ticks && cpu < mostCPU {
			return
		}
		figures = append(figures, strconv.Itoa(switches["terminator"])+" and "+strconv.Itoa(switches["echo"])+" switches a second, "+
			strconv.FormatFloat(100*cpu, 'f', 2, 64)+" % of a core")
	}
	t.Errorf("terminator and echo, idle: want at most %d switches a second each and %v of a core together, in the best of %d times 4 s:\n%s",
		mostSwitches, mostCPU, len(figures), strings.Join(figures, "\n"))
}

// used is what the threads of a process have used.
type used struct {
	switches int // those that they wanted
	cpu      time.Duration
}

func usedBy(t *testing.T, pid int) (sum used) {
	t.Helper()
	for _, one := range threads(t, pid) {
		sum.switches += one.switches
		sum.cpu += one.cpu
	}
	return sum
}

// threads is usedBy for each thread, by its directory in /proc.
func threads(t *testing.T, pid int) map[string]used {
	t.Helper()
	all := map[string]used{}
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*"))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(filepath.Join(task, "status"))
		if err != nil {
			continue // it has ended meanwhile
		}
		var one used
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		if fields := strings.Fields(rest); len(fields) > 0 {
			n, _ := strconv.Atoi(fields[0]) // a number, says the kernel
			one.switches = n
		}
		stat, err := os.ReadFile(filepath.Join(task, "schedstat"))
		if err != nil {
			testutil.Skip(t, "this kernel doesn't count what threads run: it has no /proc/PID/task/TID/schedstat")
		}
		ns, _, _ := strings.Cut(string(stat), " ")
		n, _ := strconv.ParseInt(ns, 10, 64) // as above
		one.cpu = time.Duration(n)
		all[task] = one
	}
	return all
}
