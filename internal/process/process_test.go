package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newGroup() *Group { return NewGroup(os.Environ) }

// shell starts a script, which ends with the test at the latest.
func shell(t *testing.T, g *Group, script string, grace time.Duration) *Process {
	t.Helper()
	p, err := g.Start(Spec{Name: "script", Role: "test", Path: "/bin/sh", Args: []string{"-c", script}, Grace: grace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return p
}

func alive(pid int) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && os.IsPermission(err)
	}
	return !strings.Contains(string(raw), ") Z ")
}

// A server's workers must not outlive it, whatever becomes of their parent.
func TestProcess_EndTakesWhatItStarted(t *testing.T) {
	p := shell(t, newGroup(), `trap "" TERM; sleep 1000 & echo worker $!; while :; do sleep 1; done`, 50*time.Millisecond)
	testutil.Eventually(t, "the worker is there", func() bool { return strings.Contains(p.Output(), "worker ") })
	worker, err := strconv.Atoi(strings.TrimPrefix(p.Output(), "worker "))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(worker) {
		t.Fatal("the worker isn't there")
	}
	p.End()
	if !p.Ended() {
		t.Error("the process is still there")
	}
	testutil.Eventually(t, "the worker is gone", func() bool { return !alive(worker) })
}

// What the benchmark has stopped itself would not hear a SIGTERM.
func TestGroup_StopEndsAStoppedProcess(t *testing.T) {
	g := newGroup()
	p := shell(t, g, `trap "echo told; exit" TERM; echo ready; while :; do sleep 0.01; done`, 20*time.Second)
	testutil.Eventually(t, "it is ready", func() bool { return strings.Contains(p.Output(), "ready") })
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	g.Stop()
	if !strings.Contains(p.Output(), "told") {
		t.Errorf("it was killed and not told: %q", p.Output())
	}
	if _, err := g.Start(Spec{Name: "late", Path: "/bin/true"}); err == nil {
		t.Error("a stopped group starts processes")
	}
}

func TestProcess_UsageOverRestarts(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		testutil.Skip(t, "there is no /proc")
	}
	g := newGroup()
	p := shell(t, g, `while :; do :; done`, time.Second)
	busy := func(least float64) {
		t.Helper()
		testutil.Eventually(t, "it has used CPU time", func() bool { return p.Usage().CPU >= least })
	}
	busy(0.1)
	if u := p.Usage(); u.PeakRSS < 100<<10 {
		t.Errorf("peak memory %d bytes", u.PeakRSS)
	}
	before, pid := p.Usage(), p.PID()
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if p.PID() == pid {
		t.Error("it is the same process")
	}
	if after := p.Usage(); after.CPU < before.CPU {
		t.Errorf("CPU %v after the restart, %v before it", after.CPU, before.CPU)
	}
	busy(before.CPU + 0.05)
	g.Stop()
	if u := p.Usage().Since(before); u.CPU < 0.05 {
		t.Errorf("CPU since before the restart: %v", u.CPU)
	}
}

// What a process leaves behind that ends by itself goes at once, and not only with its group.
func TestProcess_WhatItLeavesBehindGoesWithIt(t *testing.T) {
	p := shell(t, newGroup(), `sleep 1000 >/dev/null 2>&1 & echo worker $!; exit 3`, time.Second)
	<-p.Done()
	worker, err := strconv.Atoi(strings.TrimPrefix(p.Output(), "worker "))
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the worker is gone", func() bool { return !alive(worker) })
	if got := p.Ending(); got != "exit code 3" {
		t.Errorf("it ended with %s", got)
	}
}

func TestTail_KeepsTheEnd(t *testing.T) {
	var out tail
	for i := range 1000 {
		if n, err := out.Write([]byte(strings.Repeat("x", i) + "\n")); n != i+1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := out.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); len(s) > maxTail || !strings.HasSuffix(s, "the end") {
		t.Errorf("%d bytes kept, the last %q", len(s), s[len(s)-7:])
	}
}
