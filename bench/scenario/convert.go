package scenario

import (
	"strconv"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
)

// RunOf makes a run of what the generator has found. Scenario, Subject and
// Round are left to the caller.
func RunOf(r *load.Result) *result.Run {
	run := &result.Run{
		Driver: DriverBench, Loop: result.Closed, Connections: r.Connections, Duration: r.Duration,
		BytesIn: r.BytesIn, BytesOut: r.BytesOut, Rate: r.Throughput(), Service: result.FromHDR(r.Service), Delay: result.FromHDR(r.Delay), Refusal: result.FromHDR(r.Refused),
		Processes: []result.Process{{Name: DriverBench, Role: result.RoleLoad, CPUSeconds: r.CPU}},
	}
	if r.Mode == result.Open {
		run.Loop = result.Open
	}
	count(run, &r.Counts)
	for i := range r.Series {
		s := &r.Series[i]
		seconds := s.Length.Seconds()
		if seconds <= 0 || s.Start >= r.Duration {
			continue // answers to what was sent before the end
		}
		run.Series = append(run.Series, result.Point{
			At: (s.Start + s.Length).Seconds(), Offered: float64(s.Offered) / seconds, Rate: float64(s.OK) / seconds,
			Errors: float64(s.Errors.Total()) / seconds, P50: float64(s.P50) / 1e3, P99: float64(s.P99) / 1e3,
		})
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		run.Entries = append(run.Entries, result.Entry{Name: e.Name, Sent: e.Sent, OK: e.OK, Failed: e.Errors.Map(), Latency: result.FromHDR(e.Latency)})
	}
	return run
}

// count fills in what is counted of a whole run, and of each of its steps.
func count(run *result.Run, c *load.Counts) {
	run.Planned, run.Sent, run.SentLate, run.NotSent = c.Sent+c.Unsent, c.Sent, c.Late, c.Unsent
	run.Failed, run.Statuses, run.Latency = c.Errors.Map(), make(map[string]uint64), result.FromHDR(c.Latency)
	for status, n := range c.Statuses {
		if n > 0 {
			run.Statuses[strconv.Itoa(status)] = n
			run.Completed += n
		}
	}
}

// RunsOf is RunOf, with a run for each step if there are several. What a run
// counts as a whole only, such as CPU and bytes, is then left out.
func RunsOf(r *load.Result) []result.Run {
	whole := RunOf(r)
	if len(r.Steps) < 2 {
		return []result.Run{*whole}
	}
	runs := make([]result.Run, len(r.Steps))
	seen := make(map[string]int)
	for i := range r.Steps {
		s := &r.Steps[i]
		name := s.Name()
		if seen[name]++; seen[name] > 1 {
			name += " again, " + strconv.Itoa(seen[name])
		}
		runs[i] = result.Run{
			Driver: whole.Driver, Loop: whole.Loop, Connections: r.Connections, Duration: s.Duration, Step: name, OfferedRate: s.Offered(),
			Rate: s.Throughput(), Service: result.FromHDR(s.Service), Refusal: result.FromHDR(s.Refused),
		}
		count(&runs[i], &s.Counts)
		for _, p := range whole.Series {
			if at := time.Duration(p.At * float64(time.Second)); at > s.Start && at <= s.Start+s.Duration {
				p.At -= s.Start.Seconds()
				runs[i].Series = append(runs[i].Series, p)
			}
		}
	}
	return runs
}
