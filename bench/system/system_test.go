package system

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/bench/result"
	"nanofront/internal/process"
	"nanofront/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWaitFor_SaysWhatEnded(t *testing.T) {
	g := NewGroup()
	t.Cleanup(g.Stop)
	if _, err := g.Start(process.Spec{Name: "script", Path: "/bin/sh", Args: []string{"-c", "echo no such port; exit 1"}}); err != nil {
		t.Fatal(err)
	}
	err := g.WaitFor(t.Context(), "a miracle", Answers("http://127.0.0.1:1/"))
	if err == nil || !strings.Contains(err.Error(), "no such port") || !strings.Contains(err.Error(), "a miracle") {
		t.Errorf("WaitFor: %v", err)
	}
}

func report(uptime float64, requests uint64, buckets ...metrics.Bucket) metrics.Report {
	return metrics.Report{
		Uptime:   uptime,
		Counters: map[string]metrics.CounterReport{"requests": {Value: requests}, "bus.dropped.late": {Value: requests / 10}},
		Timers:   map[string]metrics.TimerReport{"stage.handler": {Buckets: buckets}},
	}
}

func TestSample_SinceIsTheDifference(t *testing.T) {
	role := func(role string, r metrics.Report) adminSample { return adminSample{role, r} }
	before := &Sample{reports: map[string]adminSample{
		"t":      role(RoleTerminator, report(10, 100, metrics.Bucket{1, 50}, metrics.Bucket{9, 50})),
		"echo-1": role(RoleEcho, report(10, 1000)),
	}}
	after := &Sample{reports: map[string]adminSample{
		"t": role(RoleTerminator, report(20, 300, metrics.Bucket{1, 50}, metrics.Bucket{2, 190}, metrics.Bucket{9, 60})),
		// Restarted meanwhile: all that it says is new.
		"echo-1": role(RoleEcho, report(5, 30)),
	}}
	_, stages, counters := after.Since(before)
	if len(stages) != 1 {
		t.Fatalf("stages: %+v", stages)
	}
	s := stages[0]
	if s.Hop != "terminator → echo" || s.Count != 200 || s.P50 != 2 || s.P99 != 9 || s.Mean != (190*2+10*9)/200. {
		t.Errorf("stage: %+v", s)
	}
	if got, want := counters["bus drops"], 20.+3; got != want {
		t.Errorf("bus drops: %v, want %v", got, want)
	}
}

func TestTableOf_RoutesOnlyWhereSomebodyAnswers(t *testing.T) {
	all := tableOf([]handlerSpec{{name: "web-1", role: RoleWeb}, {name: "echo-1", role: RoleEcho}})
	for _, want := range []string{"service: web, id: web-1", "{match: {prefix: /}, service: web}", "{match: {path: /hello}, service: echo}"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if one := tableOf([]handlerSpec{{name: "profile-1", role: RoleProfile}}); strings.Contains(one, "routes") {
		t.Errorf("routes to nobody:\n%s", one)
	}
}

func TestSample_OthersIsWhatIsLeft(t *testing.T) {
	before := &Sample{at: time.Unix(0, 0), machine: 100}
	after := &Sample{at: time.Unix(10, 0), machine: 100 + 10*float64(runtime.NumCPU())}
	if got := after.Others(before, []result.Process{{CPUSeconds: 4 * float64(runtime.NumCPU())}}); got < 0.599 || got > 0.601 {
		t.Errorf("others had %v of the machine, want 0.6", got)
	}
	if got := after.Others(&Sample{at: time.Unix(0, 0)}, nil); got != 0 {
		t.Errorf("others had %v, of which nothing is known", got)
	}
}
