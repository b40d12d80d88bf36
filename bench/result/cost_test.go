package result

import (
	"math"
	"testing"
	"time"
)

func costRun(subject, loop string, round int, cpu float64, switches, calls int64) Run {
	r := Run{
		Scenario: ScenarioCost, Subject: subject, Driver: "bench", Loop: loop, Round: round, Duration: 2 * time.Second,
		Processes: []Process{
			{Name: "front", CPUSeconds: cpu, CPUClock: "scheduler", VoluntarySwitches: switches},
			{Name: "bench", Role: RoleLoad, CPUSeconds: 99, VoluntarySwitches: 1e9},
		},
		Calls: &Calls{Duration: time.Second, Processes: map[string]int64{"front": calls, "bench": 1e9}},
	}
	if loop == Open {
		r.Rate, r.Calls.Answered = 1000, 500
	} else {
		r.Processes = r.Processes[:1]
	}
	return r
}

func TestRun_CostPerRequestAndIdle(t *testing.T) {
	open, idle := costRun("x", Open, 1, 0.1, 3000, 2500), costRun("x", Idle, 1, 0.004, 30, 70)
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"CPU per request", open.CPUPerRequest(), 50},
		{"switches per request", open.SwitchesPerRequest(), 1.5},
		{"calls per request", open.CallsPerRequest(), 5},
		{"busy", idle.Busy(), 0.002},
		{"switches per second", idle.SwitchesPerSecond(), 15},
		{"calls per second", idle.CallsPerSecond(), 70},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	open.Calls = nil
	if !math.IsNaN(open.CallsPerRequest()) || !math.IsNaN(open.CallsPerSecond()) {
		t.Error("calls that weren't counted")
	}
	// A process that did nothing at all is known to have used nothing; one of which nothing is
	// known isn't.
	idle.Processes[0] = Process{Name: "front", CPUClock: "scheduler"}
	if idle.Busy() != 0 || idle.SwitchesPerSecond() != 0 {
		t.Errorf("asleep: %v, %v", idle.Busy(), idle.SwitchesPerSecond())
	}
	idle.Processes[0].CPUClock = ""
	if !math.IsNaN(idle.Busy()) || !math.IsNaN(idle.SwitchesPerSecond()) {
		t.Error("what isn't known is told")
	}
}

// Ratios are of the same round: the machine's speed cancels out.
func TestSummary_AgainstAndByProcess(t *testing.T) {
	runs := []Run{
		costRun("nanofront", Open, 1, 0.1, 1, 1), costRun("nginx", Open, 1, 0.2, 1, 1),
		costRun("nanofront", Open, 2, 0.3, 1, 1), costRun("nginx", Open, 2, 0.6, 1, 1),
		costRun("nanofront", Open, 3, 9, 1, 1),
		costRun("nanofront", Idle, 1, 0.1, 1, 1), costRun("nanofront", Idle, 2, 0.1, 1, 1),
	}
	idle := &runs[6]
	idle.Processes = append(idle.Processes, Process{Name: "restarted", CPUClock: "scheduler"})
	all := Summarize(runs)
	if got := all[0].Against(all[1], (*Run).CPUPerRequest); got.N != 2 || got.Median != 0.5 || got.Low != got.High {
		t.Errorf("%+v", got)
	}
	if got := all[0].Against(nil, (*Run).CPUPerRequest); got.N != 0 {
		t.Errorf("against nobody: %+v", got)
	}
	parts := all[2].ByProcess()
	if len(parts) != 1 || parts[0].Step != "front" || len(parts[0].Runs) != 2 || len(parts[0].Runs[1].Processes) != 1 {
		t.Errorf("%+v", parts)
	}
}
