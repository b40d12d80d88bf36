package soak

import (
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
)

// soaked is an outcome of which nothing has grown but what change does.
func soaked(change func(*Outcome)) *Outcome {
	o := &Outcome{Rate: 1000, Duration: time.Hour, Load: &load.Result{}}
	o.Load.Sent, o.Load.OK = 3_600_000, 3_600_000
	p := process{name: "terminator"}
	for i := range tenths {
		p.memory[i], p.heap[i], p.goroutines[i] = 50e6, 10e6, 21
		s := load.Step{Counts: load.Counts{Latency: hdrhistogram.New(load.HistogramLowest, load.HistogramHighest, load.HistogramDigits)}}
		for range 1000 {
			_ = s.Latency.RecordValue(300)
		}
		o.Load.Steps = append(o.Load.Steps, s)
	}
	o.processes = []process{p}
	change(o)
	return o
}

func TestOutcome_Bad(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Outcome)
		bad    int
	}{
		{"nothing", func(*Outcome) {}, 0},
		{"memory, a little", func(o *Outcome) { o.processes[0].memory[tenths-1] *= 1.04 }, 0},
		{"memory", func(o *Outcome) { o.processes[0].memory[tenths-1] *= 1.06 }, 1},
		{"memory in between", func(o *Outcome) { o.processes[0].memory[5] *= 2 }, 0},
		{"goroutines", func(o *Outcome) { o.processes[0].goroutines[tenths-1] += 2 }, 1},
		{"heap, which depends on when the collector came by", func(o *Outcome) { o.processes[0].heap[tenths-1] *= 1.5 }, 0},
		{"p99", func(o *Outcome) {
			for range 100 {
				_ = o.Load.Steps[tenths-1].Latency.RecordValue(400)
			}
		}, 1},
		{"a failure", func(o *Outcome) { o.Load.Errors[load.CauseReset] = 1 }, 1},
	} {
		o := soaked(c.change)
		if bad := o.Bad(); bad != c.bad {
			t.Errorf("%s: %d bad, want %d", c.name, bad, c.bad)
		}
		var b strings.Builder
		o.Print(&b, 100, false)
		grown := strings.Contains(b.String(), "GROWN")
		if want := c.bad > 0 && c.name != "a failure"; grown != want {
			t.Errorf("%s: GROWN is there: %v, want %v in\n%s", c.name, grown, want, b.String())
		}
	}
}
