package compare

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"nanofront/bench/result"
)

// Defaults of [Options], and what can't be changed.
const (
	DefaultConfidence = 0.95
	DefaultMinEffect  = 0.01
	// MinRounds is how many rounds each side must have for a verdict. With two, the interval of
	// Welch's t is many times as wide as what lies between them.
	MinRounds = 3
)

// Options of [Run].
type Options struct {
	// MaxRegression is how much worse a figure may get for [Outcome.ExitCode] to be 0, as a share:
	// 0.1 for 10 %. 0 is no limit.
	MaxRegression float64
	// MinEffect is the least change that is worth a word, as a share, however sure it is. Default
	// [DefaultMinEffect].
	MinEffect float64
	// Subject restricts the comparison to one subject; empty is all.
	Subject string
}

// ErrNothing says that two benchmarks have no measurement in common.
var ErrNothing = errors.New("compare: the reports have no measurement in common")

// ErrOptions is wrapped by errors about [Options].
var ErrOptions = errors.New("compare: bad option")

// Metric is a figure that is compared.
type Metric string

// The metrics. Rate is better when it is higher, the others when they are lower.
const (
	Rate Metric = "req/s"
	P99  Metric = "p99"
	CPU  Metric = "CPU per request"
)

// metrics in the order in which they are shown.
var metrics = []Metric{Rate, P99, CPU}

// Verdict is what can be said of a change.
type Verdict int

// The verdicts.
const (
	// Unclear is for too few rounds.
	Unclear Verdict = iota
	// NoDifference is none beyond the noise, or none worth a word.
	NoDifference
	Better
	Worse
)

// String is the verdict as it is shown.
func (v Verdict) String() string {
	switch v {
	case NoDifference:
		return "no difference beyond the noise"
	case Better:
		return "better"
	case Worse:
		return "worse"
	}
	return "can't tell"
}

// Change is one figure of one measurement, before and after.
type Change struct {
	result.Key
	Metric Metric
	// Old and New are medians over the rounds: requests per second, milliseconds, microseconds; or
	// ratios to plain fasthttp if Relative.
	Old, New float64
	Relative bool
	// OldRounds and NewRounds are how many rounds have the figure.
	OldRounds, NewRounds int
	// Delta is the change as a share of Old (0.1 is 10 % more), of geometric means; Low and High
	// are the ends of its 95 % interval. With fewer than [MinRounds] rounds Delta is that of the
	// medians, and Low and High are NaN.
	Delta, Low, High float64
	// P is how likely so large a change is by chance, corrected for the number of figures; NaN if
	// Unclear.
	P       float64
	Verdict Verdict
}

// Loss is by how much a figure got worse, as a share; negative if it got better.
func (c *Change) Loss() float64 {
	if c.Metric == Rate {
		return -c.Delta
	}
	return c.Delta
}

// Outcome is what a comparison found.
type Outcome struct {
	Changes []Change
	// OnlyOld and OnlyNew are measurements that the other side doesn't have.
	OnlyOld, OnlyNew []result.Key
	// OldDoubts and NewDoubts are why a side isn't to be relied on.
	OldDoubts, NewDoubts []result.Doubt

	opts Options
}

// Run compares what was measured before with what was measured after. The error wraps [ErrNothing]
// or [ErrOptions].
func Run(before, after *result.Report, opts Options) (*Outcome, error) {
	if opts.MinEffect == 0 {
		opts.MinEffect = DefaultMinEffect
	}
	for _, o := range []struct {
		name  string
		value float64
	}{{"--max-regression", opts.MaxRegression}, {"least effect", opts.MinEffect}} {
		if !(o.value >= 0) || math.IsInf(o.value, 0) {
			return nil, fmt.Errorf("%w: %s must be 0 or more, is %v", ErrOptions, o.name, o.value)
		}
	}
	oldSide, newSide := collect(before, opts.Subject), collect(after, opts.Subject)
	out := &Outcome{opts: opts, OldDoubts: result.Doubts(before), NewDoubts: result.Doubts(after)}
	for _, k := range oldSide.order {
		if newSide.figures[k] == nil {
			out.OnlyOld = append(out.OnlyOld, k)
			continue
		}
		for _, m := range metrics {
			if c, ok := changeOf(k, m, oldSide.figures[k], newSide.figures[k]); ok {
				out.Changes = append(out.Changes, c)
			}
		}
	}
	for _, k := range newSide.order {
		if oldSide.figures[k] == nil {
			out.OnlyNew = append(out.OnlyNew, k)
		}
	}
	if len(out.Changes) == 0 {
		return nil, ErrNothing
	}
	out.judge()
	return out, nil
}

// figures are the values of a measurement by metric, one for each round.
type figures struct {
	absolute, relative map[Metric][]float64
}

type side struct {
	order   []result.Key
	figures map[result.Key]*figures
}

// collect gathers what the report of a side has.
func collect(rep *result.Report, subject string) side {
	s := side{figures: make(map[result.Key]*figures)}
	rates, cpus := result.RateRatios(rep.Runs), result.CPURatios(rep.Runs)
	for i := range rep.Runs {
		r := &rep.Runs[i]
		if subject != "" && r.Subject != subject || r.Loop == result.Idle { // nobody asked: there is no rate, and no latency
			continue
		}
		f := s.figures[r.Key()]
		if f == nil {
			f = &figures{absolute: make(map[Metric][]float64), relative: make(map[Metric][]float64)}
			s.figures[r.Key()] = f
			s.order = append(s.order, r.Key())
		}
		add := func(to map[Metric][]float64, m Metric, v float64) {
			// Logarithms are taken: what is nothing can't be compared in proportion.
			if v > 0 && !math.IsInf(v, 0) {
				to[m] = append(to[m], v)
			}
		}
		p99, _ := r.Latency.Percentile(99)
		// A run without a single success counts as next to nothing, lest the worst of all changes
		// go unseen.
		add(f.absolute, Rate, max(r.Rate, leastRate))
		add(f.absolute, P99, p99)
		add(f.absolute, CPU, r.CPUPerRequest())
		if r.Subject != result.Plain {
			add(f.relative, Rate, rates[i])
			add(f.relative, CPU, cpus[i])
		}
	}
	return s
}

// leastRate stands for no success at all, per second.
const leastRate = 0.001

// changeOf compares a figure, if both sides have it.
func changeOf(k result.Key, m Metric, before, after *figures) (Change, bool) {
	c := Change{Key: k, Metric: m, Low: math.NaN(), High: math.NaN(), P: math.NaN()}
	a, b := before.absolute[m], after.absolute[m]
	// Ratios only if they are there for every round: half of the rounds are no better than all of
	// them.
	if ra, rb := before.relative[m], after.relative[m]; len(ra) > 0 && len(ra) == len(a) && len(rb) > 0 && len(rb) == len(b) {
		a, b, c.Relative = ra, rb, true
	}
	c.OldRounds, c.NewRounds = len(a), len(b)
	if len(a) == 0 || len(b) == 0 {
		return c, false
	}
	c.Old, c.New = result.Median(a), result.Median(b)
	c.Delta = c.New/c.Old - 1
	if min(len(a), len(b)) >= MinRounds {
		d := welch(logs(a), logs(b))
		c.Delta, c.Low, c.High, c.P = math.Expm1(d.mean), math.Expm1(d.low), math.Expm1(d.high), d.p
	}
	return c, true
}

func logs(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Log(v)
	}
	return out
}

// judge corrects the p values, and gives verdicts.
func (o *Outcome) judge() {
	var p []float64
	var which []int
	for i := range o.Changes {
		if !math.IsNaN(o.Changes[i].P) {
			p = append(p, o.Changes[i].P)
			which = append(which, i)
		}
	}
	for n, corrected := range holm(p) {
		c := &o.Changes[which[n]]
		c.P = corrected
		switch {
		case corrected > 1-DefaultConfidence || math.Abs(c.Delta) < o.opts.MinEffect:
			c.Verdict = NoDifference
		case c.Loss() > 0:
			c.Verdict = Worse
		default:
			c.Verdict = Better
		}
	}
}

// Regressions are the figures that got worse, beyond the noise, by more than MaxRegression, worst
// first; none if that is 0.
func (o *Outcome) Regressions() []Change {
	if o.opts.MaxRegression == 0 {
		return nil
	}
	var worse []Change
	for _, c := range o.Changes {
		if c.Verdict == Worse && c.Loss() > o.opts.MaxRegression {
			worse = append(worse, c)
		}
	}
	slices.SortStableFunc(worse, func(a, b Change) int { return cmp.Compare(b.Loss(), a.Loss()) })
	return worse
}

// ExitCode is 1 if there are regressions, else 0. Figures with too few rounds never make it 1.
func (o *Outcome) ExitCode() int {
	if len(o.Regressions()) > 0 {
		return 1
	}
	return 0
}

// count is how many figures have a verdict.
func (o *Outcome) count(v Verdict) int {
	n := 0
	for i := range o.Changes {
		if o.Changes[i].Verdict == v {
			n++
		}
	}
	return n
}
