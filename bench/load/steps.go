package load

import (
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxSteps is how many steps of a plan have figures of their own: each worker
// has a histogram for each.
const maxSteps = 64

// Step is what a run has found about one stage of its plan: the requests whose
// planned time was in it, whenever they were answered.
type Step struct {
	Stage
	// Start is from the beginning of the counted time. Duration is shorter than
	// planned if the run was interrupted.
	Start time.Duration
	Counts
	// Answered is how many responses as expected came while it lasted, see Result.Answered.
	Answered uint64
	// Service and Refused are those of Result.
	Service, Refused *hdrhistogram.Histogram
}

// Name is the step as it is typed: "1000/s", "1000..5000/s".
func (s *Stage) Name() string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	if s.From == s.To {
		return number(s.From) + "/s"
	}
	return number(s.From) + ".." + number(s.To) + "/s"
}

// Offered is planned requests per second, as they came.
func (s *Step) Offered() float64 { return perSecond(s.Sent+s.Unsent, s.Duration) }

// Throughput is good responses per second while the step lasted.
func (s *Step) Throughput() float64 { return perSecond(s.Answered, s.Duration) }

// newSteps makes empty steps of a plan; none if there is only one, or too many.
func newSteps(stages []Stage) []Step {
	if len(stages) < 2 || len(stages) > maxSteps {
		return nil
	}
	steps := make([]Step, len(stages))
	at := time.Duration(0)
	for i, s := range stages {
		steps[i] = Step{Stage: s, Start: at, Counts: newCounts(), Service: newHistogram(), Refused: newHistogram()}
		at += s.Duration
	}
	return steps
}

// tally is what a worker counts over the whole run. Run adds the workers' up.
type tally struct {
	*Result
	at int // the step that was looked up last
}

func newTally(p *plan) *tally { return &tally{Result: newResult(p)} }

// step is the one in which a request was planned; nil if steps aren't told
// apart. planned is not in the warm-up.
func (t *tally) step(planned int64) *Step {
	if len(t.Steps) == 0 {
		return nil
	}
	i := t.at
	// Answers come for one and the same step again and again.
	for i > 0 && planned < int64(t.Steps[i].Start) {
		i--
	}
	for i+1 < len(t.Steps) && planned >= int64(t.Steps[i+1].Start) {
		i++
	}
	t.at = i
	return &t.Steps[i]
}

func (s *Step) add(o *Step) {
	s.Counts.add(&o.Counts)
	s.Answered += o.Answered
	s.Service.Merge(o.Service)
	s.Refused.Merge(o.Refused)
}

// begun leaves out what an interrupted run has not come to.
func begun(steps []Step, counted time.Duration) []Step {
	for i := range steps {
		if steps[i].Start >= counted {
			return steps[:i]
		}
		steps[i].Duration = min(steps[i].Duration, counted-steps[i].Start)
	}
	return steps
}
