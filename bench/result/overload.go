package result

// IsOverload reports whether a scenario offers multiples of what can be answered.
func IsOverload(scenario string) bool {
	return scenario == ScenarioOverload || scenario == ScenarioOverloadHandlers
}

// RecoverySlack is up to how many times the p99 of the least step a second's may be that counts as
// normal.
const RecoverySlack = 1.5

// Recovery is the time in seconds from the end of an overload to the first second that was as those
// of calm, the least step of the same subject, are: its p99 at most [RecoverySlack] times theirs,
// or their worst second's, and no larger share of it failed or refused than in their worst. Where
// none was, it is all the time that was watched, and never is true; N is 0 where nothing was
// watched.
func (s *Summary) Recovery(calm *Summary) (took Stat, never bool) {
	var values []float64
	for _, r := range s.Runs {
		for _, c := range calm.Runs {
			if c.Round != r.Round || len(r.After) == 0 || len(c.Series) == 0 {
				continue
			}
			seconds, ok := r.recovery(c)
			values, never = append(values, seconds), never || !ok
		}
	}
	return NewStat(values), never
}

func (r *Run) recovery(calm *Run) (seconds float64, ok bool) {
	p99, _ := calm.Latency.Percentile(99)
	p99 *= RecoverySlack
	failed := 0.0
	for i := range calm.Series {
		p99, failed = max(p99, calm.Series[i].P99), max(failed, calm.Series[i].failed())
	}
	for i := range r.After {
		p := &r.After[i]
		if p.Rate > 0 && p.P99 <= p99 && p.failed() <= failed {
			return seconds, true
		}
		seconds = p.At // where the next begins
	}
	return seconds, false
}

// failed is the share of what ended in the interval that did so in vain.
func (p *Point) failed() float64 {
	if p.Errors <= 0 {
		return 0
	}
	return p.Errors / (p.Rate + p.Errors)
}
