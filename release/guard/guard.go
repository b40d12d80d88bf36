package guard

import (
	"encoding/json"
	"fmt"
)

// What errs how often at most.
const (
	DefaultAlpha = 0.005 // of releases that are as good as tolerated: sent back
	DefaultClear = 0.05  // of steps of a version on the intolerable line: passed
)

// Options of a guard.
type Options struct {
	Alpha, Clear float64 // 0: the defaults
	// Sticky says that clients stay with a version: that keys are shared out, not requests. The share
	// of requests is then held against what is intended only roughly, and blocks are larger.
	Sticky bool
}

// Guard judges one release. It is for one goroutine at a time, and its JSON is all that it knows.
type Guard struct {
	spec      Spec
	o         Options
	s         state
	poolBegan int64 // when the block of all routes that isn't over did
}

type state struct {
	Guard    string             `json:"guard"`
	Options  Options            `json:"options"`
	Intended float64            `json:"intended"`
	All      map[string]*ledger `json:"all"`
	Routes   []*stratum         `json:"routes,omitempty"`
	Ratio    ratio              `json:"ratio"`
	Dead     dead               `json:"dead"`
	At       int64              `json:"at"` // the last second in which the new version ended requests
}

// New makes a guard of a release that begins.
func New(spec Spec, o Options) *Guard {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	if o.Clear == 0 {
		o.Clear = DefaultClear
	}
	g := &Guard{spec: spec, o: o}
	g.s = state{Guard: spec.String(), Options: o, All: newLedgers(spec.figures())}
	g.reset()
	return g
}

// MarshalJSON is the guard's state.
func (g *Guard) MarshalJSON() ([]byte, error) { return json.Marshal(&g.s) }

// UnmarshalJSON takes a state over. The requests of a block that wasn't over are lost: less than a
// minute's.
func (g *Guard) UnmarshalJSON(raw []byte) error {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	spec, err := Parse(s.Guard)
	if err != nil {
		return err
	}
	if s.All == nil {
		return fmt.Errorf("%w: the state is incomplete", ErrSpec)
	}
	for _, f := range spec.figures() {
		missing := s.All[f] == nil
		for _, st := range s.Routes {
			missing = missing || st == nil || st.Ledgers[f] == nil
		}
		if missing {
			return fmt.Errorf("%w: the state has nothing of %s", ErrSpec, f)
		}
	}
	for _, st := range s.Routes {
		if st.Usual == nil {
			st.Usual = make(map[string]float64)
		}
	}
	*g = Guard{spec: spec, o: s.Options, s: s}
	return nil
}

func (g *Guard) reset() {
	g.s.Ratio = ratio{}
	g.s.Dead = dead{}
}

// Step says that from now on this share of the requests, 0 to 1, is meant for the new version. What
// speaks against the version is kept from step to step; what speaks for it begins anew.
func (g *Guard) Step(share float64) {
	g.s.Intended = share
	g.reset()
	g.poolBegan = 0
	open(g.s.All)
	for _, s := range g.s.Routes {
		s.old, s.new, s.began, s.poolOld, s.poolNew = nil, nil, 0, nil, nil
		open(s.Ledgers)
	}
}

// open begins a step.
func open(ledgers map[string]*ledger) {
	for _, l := range ledgers {
		l.Back.stake(stakeStep)
		l.Old, l.New, l.Go = rates{}, rates{}, newGambler()
		l.Go.stake(stakeStep)
	}
}

// route is the stratum of a route, nil if there are too many.
func (g *Guard) route(name string) *stratum {
	for _, s := range g.s.Routes {
		if s.Name == name {
			return s
		}
	}
	if len(g.s.Routes) == MaxRoutes {
		return nil
	}
	s := newStratum(name, g.spec.figures())
	open(s.Ledgers)
	g.s.Routes = append(g.s.Routes, s)
	return s
}

// Observe takes in what a second brought.
func (g *Guard) Observe(sec Second) {
	var old, fresh Block
	for i := range sec.Routes {
		r := &sec.Routes[i]
		s := g.route(r.Name)
		if s == nil {
			continue
		}
		s.old.add(r.Old)
		s.new.add(r.New)
		s.poolOld.add(r.Old)
		s.poolNew.add(r.New)
		for _, b := range r.Old {
			old.Assigned, old.Ended, old.Failed = old.Assigned+b.Assigned, old.Ended+b.Ended, old.Failed+b.Failed
		}
		for _, b := range r.New {
			fresh.Assigned, fresh.Ended, fresh.Failed = fresh.Assigned+b.Assigned, fresh.Ended+b.Ended, fresh.Failed+b.Failed
		}
	}
	if fresh.Ended > 0 {
		g.s.At = sec.At
	}
	g.s.Ratio.add(old.Assigned, fresh.Assigned, g.s.Intended)
	g.s.Dead.add(sec.At, old, fresh)
	g.closePool(sec.At)
	for _, s := range g.s.Routes {
		g.closeRoute(s, sec.At)
	}
}

// maxBlock is how many seconds a block lasts at most.
const maxBlock = 60

// over tells that a block is: it has enough of the new version, or there is none to wait for.
func (g *Guard) over(n float64, began, now int64) bool {
	size := g.size()
	return n >= size.requests && now-began >= size.seconds || now-began >= maxBlock || g.s.Intended == 0
}

func (g *Guard) size() size {
	if g.o.Sticky {
		return stickyBlock
	}
	return usualBlock
}

// closePool ends the block of all routes, if it is over. It is never later than that of a route: a
// route's threshold is of blocks before.
func (g *Guard) closePool(now int64) {
	if g.poolBegan == 0 {
		g.poolBegan = now - 1
	}
	var n float64
	for _, s := range g.s.Routes {
		for i := range s.poolNew {
			n += float64(s.poolNew[i].Ended)
		}
	}
	if !g.over(n, g.poolBegan, now) {
		return
	}
	g.poolBegan = now
	for _, f := range g.spec.figures() {
		var sum gains
		lines := g.spec.lines(f)
		for _, s := range g.s.Routes {
			look, ok := s.look(f, lines, s.poolOld, s.poolNew, g.size().limit)
			if !ok {
				continue
			}
			sum.nOld += look.nOld
			sum.nNew += look.nNew
			sum.weight += look.weight
			sum.old += look.weight * look.old
			sum.new += look.weight * look.new
			sum.newGo += look.weight * look.newGo
			sum.limit = max(sum.limit, look.limit)
			sum.historical = sum.historical || look.historical
		}
		if sum.weight == 0 {
			continue
		}
		sum.old, sum.new, sum.newGo = sum.old/sum.weight, sum.new/sum.weight, sum.newGo/sum.weight
		g.s.All[f].settle(f, lines, sum)
	}
	for _, s := range g.s.Routes {
		s.poolOld, s.poolNew = nil, nil
	}
}

func (g *Guard) closeRoute(s *stratum, now int64) {
	if s.began == 0 {
		s.began = now - 1
	}
	var n float64
	for i := range s.new {
		n += float64(s.new[i].Ended)
	}
	if !g.over(n, s.began, now) {
		return
	}
	for _, f := range g.spec.figures() {
		if look, ok := s.look(f, g.spec.lines(f), s.old, s.new, g.size().limit); ok {
			s.Ledgers[f].settle(f, g.spec.lines(f), look)
		}
	}
	s.close(g.spec.figures(), now)
}

// against is the evidence that the figure is beyond the tolerated line, and on which route it is the
// most; all of them is "". The mean of several gamblers' money is a gambler's, too.
func (g *Guard) against(figure string) (money float64, route string) {
	money = g.s.All[figure].Back.money()
	if len(g.s.Routes) < 2 {
		return money, ""
	}
	part := 1 / float64(2*len(g.s.Routes))
	sum, most := money/2, money/2
	for _, s := range g.s.Routes {
		m := s.Ledgers[figure].Back.money() * part
		if sum += m; m > most {
			most, route = m, s.Name
		}
	}
	return sum, route
}

// suspect is a route on which the figure may be beyond the tolerated line, if not surely.
func (g *Guard) suspect(figure string) string {
	for _, s := range g.s.Routes {
		if s.Ledgers[figure].Back.money() >= 10 {
			return s.Name
		}
	}
	return ""
}

// back and clear are how much money ends it.
func (g *Guard) back() float64  { return float64(len(g.spec.figures())) / g.o.Alpha }
func (g *Guard) clear() float64 { return 1 / g.o.Clear }

// Idle is for how many seconds no request of the new version has ended.
func (g *Guard) Idle(now int64) int64 { return now - g.s.At }
