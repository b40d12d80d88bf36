package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nanofront/bench/result"
)

// ErrRegression is wrapped by the error of a plan whose bounds don't hold.
var ErrRegression = errors.New("regression")

// RunBounded runs a plan like [Run], and holds it against its bounds if it has any. What fails is
// measured anew, as often as the plan allows, since a busy minute of the machine is not a
// regression. The report is that of all attempts together.
func RunBounded(ctx context.Context, p *Plan, o Options) (*result.Report, error) {
	rep, err := Run(ctx, p, o)
	if err != nil || len(p.Bounds) == 0 || ctx.Err() != nil {
		return rep, err
	}
	verdicts := Verdicts(p.Bounds, rep.Runs)
	for attempt := 2; attempt <= p.Attempts && !allHold(verdicts); attempt++ {
		again := *p
		failed := failing(verdicts)
		if o.Say != nil {
			o.Say(fmt.Sprintf("%v below the limit: measured anew, attempt %d of %d", failed, attempt, p.Attempts))
		}
		// Plain fasthttp is a part of the first scenario, and what all are held against.
		again.Scenarios = slices.DeleteFunc(slices.Clone(p.Scenarios), func(s *Scenario) bool {
			return !slices.Contains(failed, s.Name) && !slices.Contains(s.Subjects, "plain")
		})
		more, err := Run(ctx, &again, o)
		if err != nil || ctx.Err() != nil {
			return rep, err
		}
		for i, v := range Verdicts(p.Bounds, more.Runs) {
			if !verdicts[i].Holds() && v.Rounds > 0 {
				verdicts[i] = v
			}
		}
		rep.Add(more)
	}
	for _, v := range verdicts {
		rep.Notes = append(rep.Notes, v.String())
	}
	if !allHold(verdicts) {
		return rep, fmt.Errorf("%w: %v", ErrRegression, failing(verdicts))
	}
	return rep, nil
}

// Verdict is a bound, and what was measured.
type Verdict struct {
	Bound
	// Got is the median ratio of nanofront's rate to plain fasthttp's, of so many rounds.
	Got    float64
	Rounds int
	// Failed is how many requests to nanofront failed.
	Failed uint64
}

// Verdicts holds runs against bounds.
func Verdicts(bounds []Bound, runs []result.Run) []Verdict {
	ratios := result.RateRatios(runs)
	list := make([]Verdict, len(bounds))
	for i, b := range bounds {
		var values []float64
		list[i].Bound = b
		for j := range runs {
			r := &runs[j]
			if r.Scenario == b.Scenario && r.Subject == result.Nanofront && r.Loop == result.Closed {
				values = append(values, ratios[j])
				list[i].Failed += r.Failures()
			}
		}
		stat := result.NewStat(values)
		list[i].Got, list[i].Rounds = stat.Median, stat.N
	}
	return list
}

// Holds reports whether it is no regression.
func (v *Verdict) Holds() bool { return v.Rounds > 0 && v.Failed == 0 && v.Got >= v.Limit() }

// String is the verdict as a sentence.
func (v *Verdict) String() string {
	if v.Rounds == 0 {
		return v.Scenario + ": not measured beside plain fasthttp"
	}
	text := fmt.Sprintf("%s: %.2f of plain fasthttp; %.2f when it was last set, the limit is %.2f", v.Scenario, v.Got, v.Ratio, v.Limit())
	if v.Failed > 0 {
		text += fmt.Sprintf("; %d requests failed, and none may", v.Failed)
	}
	return text
}

func allHold(list []Verdict) bool { return len(failing(list)) == 0 }

func failing(list []Verdict) []string {
	var names []string
	for i := range list {
		if !list[i].Holds() {
			names = append(names, list[i].Scenario)
		}
	}
	return names
}
