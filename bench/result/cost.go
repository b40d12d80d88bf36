package result

import (
	"math"
	"time"
)

// Calls is how many system calls were counted: after the run, in a further one of the same load,
// as counting takes time of its own.
type Calls struct {
	// Duration of the counting, and Answered requests meanwhile.
	Duration time.Duration `json:"duration_ns"`
	Answered float64       `json:"answered,omitempty"`
	// Processes are the calls of each process by its name.
	Processes map[string]int64 `json:"processes"`
}

// SwitchesPerRequest is how often threads of the subject's processes gave their core away, or had
// it taken, for each request that succeeded; not a number if that isn't known.
func (r *Run) SwitchesPerRequest() float64 {
	n := r.switches()
	if n == 0 { // nothing answers without one
		return math.NaN()
	}
	return float64(n) / positive(r.Succeeded())
}

// SwitchesPerSecond is the same per second.
func (r *Run) SwitchesPerSecond() float64 {
	if !r.accounted() {
		return math.NaN()
	}
	return float64(r.switches()) / r.Duration.Seconds()
}

// accounted reports whether it is known what the processes used, which may be nothing.
func (r *Run) accounted() bool {
	return r.Duration > 0 && len(r.Processes) > 0 && r.Processes[0].CPUClock != ""
}

func (r *Run) switches() int64 {
	var n int64
	for i := range r.Processes {
		if p := &r.Processes[i]; p.Role != RoleLoad {
			n += p.VoluntarySwitches + p.InvoluntarySwitches
		}
	}
	return n
}

// CallsPerRequest is the system calls of the subject's processes for each request; not a number if
// they weren't counted.
func (r *Run) CallsPerRequest() float64 {
	if r.Calls == nil || r.Calls.Answered == 0 {
		return math.NaN()
	}
	return float64(r.calls()) / r.Calls.Answered
}

// CallsPerSecond is the same per second.
func (r *Run) CallsPerSecond() float64 {
	if r.Calls == nil || r.Calls.Duration <= 0 {
		return math.NaN()
	}
	return float64(r.calls()) / r.Calls.Duration.Seconds()
}

func (r *Run) calls() int64 {
	var n int64
	for i := range r.Processes {
		if p := &r.Processes[i]; p.Role != RoleLoad {
			n += r.Calls.Processes[p.Name]
		}
	}
	return n
}

// Busy is the share of one core that the subject's processes used, 0 to 1 for each that was always
// busy; not a number if that isn't known.
func (r *Run) Busy() float64 {
	if !r.accounted() {
		return math.NaN()
	}
	var cpu float64
	for i := range r.Processes {
		if r.Processes[i].Role != RoleLoad {
			cpu += r.Processes[i].CPUSeconds
		}
	}
	return cpu / r.Duration.Seconds()
}

// ByProcess parts what was measured without a load into its processes, each named as a step: there
// is nothing else that what they use could be divided by.
func (s *Summary) ByProcess() []*Summary {
	var parts []*Summary
	for i := range s.Runs[0].Processes {
		name := s.Runs[0].Processes[i].Name
		part := &Summary{Key: s.Key}
		part.Step = name
		for _, r := range s.Runs {
			one := *r
			one.Processes = nil
			for j := range r.Processes {
				if r.Processes[j].Name == name {
					one.Processes = r.Processes[j : j+1 : j+1]
				}
			}
			if one.Processes != nil {
				part.Runs = append(part.Runs, &one)
			}
		}
		part.Typical = part.Runs[0]
		parts = append(parts, part)
	}
	return parts
}

// Against is a figure of each round in that of another measurement in the same round; its N is 0
// where there are none.
func (s *Summary) Against(o *Summary, figure func(*Run) float64) Stat {
	if o == nil {
		return Stat{}
	}
	var values []float64
	for _, r := range s.Runs {
		for _, other := range o.Runs {
			if other.Round == r.Round {
				values = append(values, positive(figure(r))/positive(figure(other)))
			}
		}
	}
	return NewStat(values)
}

// Stat is a figure over the rounds; what is no number isn't known.
func (s *Summary) Stat(figure func(*Run) float64) Stat {
	values := make([]float64, len(s.Runs))
	for i, r := range s.Runs {
		values[i] = figure(r)
	}
	return NewStat(values)
}
