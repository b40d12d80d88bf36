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
		Planned: r.Planned, Sent: r.Sent, SentLate: r.Late, NotSent: r.Unsent,
		Failed: r.Errors.Map(), Statuses: make(map[string]uint64, len(r.Statuses)), BytesIn: r.BytesIn, BytesOut: r.BytesOut,
		Rate: r.Throughput(), Latency: result.FromHDR(r.Latency), Service: result.FromHDR(r.Service), Delay: result.FromHDR(r.Delay), Refusal: result.FromHDR(r.Refused),
		Processes: []result.Process{{Name: DriverBench, Role: result.RoleLoad, CPUSeconds: r.CPU.Total()}},
	}
	if r.Mode == result.Open {
		run.Loop = result.Open
	}
	for status, n := range r.Statuses {
		run.Statuses[strconv.Itoa(status)] = n
		run.Completed += n
	}
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
			Planned: s.Sent + s.Unsent, Sent: s.Sent, SentLate: s.Late, NotSent: s.Unsent,
			Failed: s.Errors.Map(), Statuses: make(map[string]uint64, len(s.Statuses)), Rate: s.Throughput(),
			Latency: result.FromHDR(s.Latency), Service: result.FromHDR(s.Service), Refusal: result.FromHDR(s.Refused),
		}
		for status, n := range s.Statuses {
			runs[i].Statuses[strconv.Itoa(status)] = n
			runs[i].Completed += n
		}
		for _, p := range whole.Series {
			if at := time.Duration(p.At * float64(time.Second)); at > s.Start && at <= s.Start+s.Duration {
				p.At -= s.Start.Seconds()
				runs[i].Series = append(runs[i].Series, p)
			}
		}
	}
	return runs
}
