package guard

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is what is to be done.
type Verdict string

// The verdicts.
const (
	Wait Verdict = "wait" // nothing is sure yet
	Go   Verdict = "go"   // it is better than the intolerable lines
	Back Verdict = "back" // it is worse than a tolerated line
)

// Decision is a verdict, and what it stands on.
type Decision struct {
	Verdict Verdict  `json:"verdict"`
	Why     string   `json:"why"`
	Figures []Figure `json:"figures"`
	// Served is the share of requests that were meant for the new version since the step began.
	Served   float64 `json:"served"`
	Intended float64 `json:"intended"`
}

// Figure is how one stands since the step began.
type Figure struct {
	Name  string `json:"name"`
	Lines Lines  `json:"lines"`
	Route string `json:"route,omitempty"` // on which most speaks against it; "": on all
	// Old and New are the shares of requests that failed, were slower than the old version's p99
	// (the new ones than that times the tolerated factor), or differed.
	Old      float64 `json:"old"`
	New      float64 `json:"new"`
	Requests float64 `json:"requests"` // of the new version
	MS       float64 `json:"ms,omitempty"`
	// Against and For are the evidence, of which Back and Clear are enough.
	Against float64 `json:"against"`
	Back    float64 `json:"back"`
	For     float64 `json:"for"`
	Clear   float64 `json:"clear"`
}

// Decide judges by all that was observed.
func (g *Guard) Decide() Decision {
	d := Decision{Verdict: Go, Intended: g.s.Intended}
	if g.s.Ratio.All > 0 {
		d.Served = float64(g.s.Ratio.Fresh) / float64(g.s.Ratio.All)
	}
	var waits []string
	for _, name := range g.spec.figures() {
		f := g.figure(name)
		d.Figures = append(d.Figures, f)
		switch {
		case f.Against >= f.Back && d.Verdict != Back:
			d.Verdict, d.Why = Back, f.beyond()
		case d.Verdict == Back:
		case f.For < f.Clear:
			d.Verdict = Wait
			waits = append(waits, f.unsure())
		default:
			if route := g.suspect(name); route != "" {
				d.Verdict = Wait
				waits = append(waits, fmt.Sprintf("%s of route %s look worse than the old version's", name, route))
			}
		}
	}
	if d.Verdict == Wait {
		d.Why = strings.Join(waits, "; ")
	}
	if g.s.Dead.Sure && d.Verdict != Back {
		d.Verdict = Back
		d.Why = fmt.Sprintf("%d of %d requests to the new version failed one after the other", g.s.Dead.Failed, g.s.Dead.Ended)
	}
	if d.Verdict != Back && g.s.Ratio.wrong(g.s.Intended, g.o.Sticky) {
		d.Verdict = Wait
		d.Why = fmt.Sprintf("%s of the requests are meant for the new version, %s should be: no fair comparison", percent(d.Served), percent(d.Intended))
	}
	if d.Verdict == Go {
		d.Why = "better than each intolerable line: " + g.spec.String()
	}
	return d
}

func (g *Guard) figure(name string) Figure {
	l := g.s.All[name]
	f := Figure{Name: name, Lines: g.spec.lines(name), Back: g.back(), Clear: g.clear(), For: l.Go.money()}
	f.Against, f.Route = g.against(name)
	for _, s := range g.s.Routes {
		if s.Name == f.Route || f.Route == "" && name == P99 {
			f.MS = max(f.MS, s.Threshold)
		}
		if s.Name == f.Route {
			l = s.Ledgers[name]
		}
	}
	f.Old, f.New, f.Requests = l.Old.rate(), l.New.rate(), l.New.N
	return f
}

func (f *Figure) on() string {
	if f.Route == "" {
		return ""
	}
	return " on route " + f.Route
}

// beyond says by what the figure is.
func (f *Figure) beyond() string {
	switch f.Name {
	case Errors:
		return fmt.Sprintf("errors%s: %s of the new version's requests failed, %s of the old's; +%s points are tolerated", f.on(), percent(f.New), percent(f.Old), short(f.Lines.Tolerated*100))
	case P99:
		return fmt.Sprintf("p99%s: %s of the new version's requests took longer than x%s the old's p99, where at most %s may", f.on(), percent(f.New), short(f.Lines.Tolerated), percent(f.Old))
	}
	return fmt.Sprintf("diff%s: %s of the new version's answers differ; %s is tolerated", f.on(), percent(f.New), percent(f.Lines.Tolerated))
}

func (f *Figure) unsure() string {
	if f.Requests == 0 {
		return f.Name + ": nothing to compare yet"
	}
	return fmt.Sprintf("%s: not sure yet, after %.0f requests", f.Name, f.Requests)
}

func percent(share float64) string {
	digits := 1
	if share != 0 && math.Abs(share) < 0.01 {
		digits = 2
	}
	return fmt.Sprintf("%.*f %%", digits, share*100)
}
