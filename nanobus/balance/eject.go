package balance

import (
	"slices"
	"time"
)

// An instance that fails, or is slow, beyond its peers in the same seconds is ejected: it gets next
// to nothing for a while, just enough to see how it does, and then comes back in steps. Judged by
// its peers, nobody is ejected for what ails all.
const (
	// fewSamples is how many requests an instance must have had in the window for it to say
	// something; fewProbes is enough while it is coming back.
	fewSamples = 20
	fewProbes  = 5

	// Failing: a part of more than failFloor, and more than failFactor times the peers' part on top
	// of that. The floor keeps a single failure from standing out among the perfect.
	failFloor  = 0.2
	failFactor = 3

	// Slow: a median of more than slowFactor times the peers' median, and more than slowFloor on
	// top of it.
	slowFactor = 5
	slowFloor  = 5 * time.Millisecond

	// ejectFor is how long the first ejection lasts, in looks (one a second); each further one as
	// much longer, up to ejectMost. One that has behaved for ejectForget looks starts anew.
	ejectFor    = 5
	ejectMost   = 60
	ejectForget = 120
)

// shares are the parts of its weight that an instance has, in per cent: ejected, and on the way
// back.
var shares = [...]int{1, 10, 25, 50, 100}

// Window is what became of an instance's requests in the last few seconds.
type Window struct {
	Answers, Faults int // faults are not among the answers
	P50             time.Duration
}

func (w Window) n() int { return w.Answers + w.Faults }

// Standing is what an instance's share of the requests comes to by how it does. The zero Standing
// is a good one.
type Standing struct {
	lack  int // steps that are missing to the whole share
	wait  int // looks until the next step
	times int // ejections in a row
	good  int // looks without one
}

// Share is the part of its weight that the instance has, in per cent.
func (s *Standing) Share() int { return shares[len(shares)-1-s.lack] }

// Ejected says that the share is the least.
func (s *Standing) Ejected() bool { return s.lack == len(shares)-1 }

func (s *Standing) eject() {
	s.times++
	s.good = 0
	s.lack, s.wait = len(shares)-1, min(ejectFor*s.times, ejectMost)
}

// look lets a second pass.
func (s *Standing) look() (changed bool) {
	if s.lack == 0 {
		if s.good++; s.good > ejectForget {
			s.times = 0
		}
		return false
	}
	if s.wait--; s.wait > 0 {
		return false
	}
	s.lack, s.wait = s.lack-1, 1
	return true
}

// Judge looks at the instances of a service, all that can take requests, once a second. It says
// whether a share has changed, and how many were ejected. Of one instance none is, of more never
// more than half.
func Judge(list []*Standing, windows []Window) (changed bool, ejected int) {
	out := 0
	for _, s := range list {
		changed = s.look() || changed
		if s.Ejected() {
			out++
		}
	}
	// The worst first, as not all may go.
	order := make([]int, 0, len(list))
	for i, s := range list {
		if !s.Ejected() && outlier(i, list, windows) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareWorst(windows[a], windows[b]) })
	for _, i := range order {
		if out+1 > len(list)/2 {
			break
		}
		list[i].eject()
		out++
		ejected++
		changed = true
	}
	return changed, ejected
}

// outlier reports whether an instance does worse than its peers.
func outlier(i int, list []*Standing, windows []Window) bool {
	w := windows[i]
	need := fewSamples
	if list[i].lack > 0 {
		need = fewProbes
	}
	if w.n() < need {
		return false
	}
	var n, faults int
	var medians []time.Duration
	for j, o := range windows {
		if j == i || o.n() < fewSamples || list[j].Ejected() {
			continue
		}
		n += o.n()
		faults += o.Faults
		if o.P50 > 0 {
			medians = append(medians, o.P50)
		}
	}
	if n == 0 {
		return false // there is nobody to be compared with
	}
	if part, usual := float64(w.Faults)/float64(w.n()), float64(faults)/float64(n); part > failFloor+failFactor*usual {
		return true
	}
	if len(medians) == 0 {
		return false
	}
	slices.Sort(medians)
	usual := medians[len(medians)/2]
	return w.P50 > slowFactor*usual && w.P50 > usual+slowFloor
}

// compareWorst orders by the part that has failed, then by time, the worst first.
func compareWorst(a, b Window) int {
	fa, fb := a.Faults*b.n(), b.Faults*a.n()
	switch {
	case fa != fb:
		return fb - fa
	case a.P50 > b.P50:
		return -1
	case a.P50 < b.P50:
		return 1
	default:
		return 0
	}
}

// JudgeAll is Judge for the members of the view.
func (v *View) JudgeAll() (changed bool, ejected int) {
	if len(v.members) < 2 {
		return false, 0
	}
	list, windows := make([]*Standing, len(v.members)), make([]Window, len(v.members))
	for i := range v.members {
		t := v.members[i].target
		list[i], windows[i] = &t.Standing, t.Lately()
	}
	return Judge(list, windows)
}

// Weigh is an instance's weight by how it does; never 0 if weight isn't.
func (t *Target) Weigh(weight int) int {
	w := Effective(weight)
	if share := t.Standing.Share(); share < 100 && w > 0 {
		return max(w*share/100, 1)
	}
	return weight
}
