package guard

import "math"

// The threshold for p99 follows the old version's by this much a block, and begins with the p99 of
// so many durations.
const (
	followP99 = 0.05
	firstP99  = 300
)

// size of a block.
type size struct {
	requests float64 // of the new version at the least
	seconds  int64   // at the least
	limit    float64 // what part of a block may count as bad, and of what one place adds to it
}

var (
	usualBlock = size{25, 1, 0.05}
	// Where clients stay with a version, one that fails for a minute does so in many short blocks.
	stickyBlock = size{60, 3, 0.04}
)

// ledger is what is known of a figure on one route, or on all of them.
type ledger struct {
	Back gambler `json:"back"` // bets that the new version is worse than tolerated
	Go   gambler `json:"go"`   // bets that it is better than intolerable, since the step began
	// Since the step began: what the figure was.
	Old rates `json:"old"`
	New rates `json:"new"`
}

// maxGo is how much evidence for go is kept: what a version did well some minutes ago is not to
// outweigh what it does now.
const maxGo = 1e4

// rates are what the figures were, for people and for what comes later.
type rates struct {
	N   float64 `json:"n"`
	Bad float64 `json:"bad"`
}

func (r *rates) add(rate, n float64) { r.N, r.Bad = r.N+n, r.Bad+rate*n }

func (r rates) rate() float64 {
	if r.N == 0 {
		return 0
	}
	return r.Bad / r.N
}

// stratum is a route.
type stratum struct {
	Name    string             `json:"name"`
	Ledgers map[string]*ledger `json:"ledgers"`
	// Usual is how many of the old version's requests were bad lately: for blocks without any.
	Usual map[string]float64 `json:"usual,omitempty"`
	// Threshold is in ms, and about the old version's p99. 0 before there was one.
	Threshold float64 `json:"threshold,omitempty"`

	old, new arm // of the block that isn't over
	began    int64
	cal      arm // until there is a threshold
	poolOld  arm // of the block of all routes that isn't over
	poolNew  arm
}

func newStratum(name string, figures []string) *stratum {
	return &stratum{Name: name, Ledgers: newLedgers(figures), Usual: make(map[string]float64)}
}

func newLedgers(figures []string) map[string]*ledger {
	m := make(map[string]*ledger)
	for _, f := range figures {
		m[f] = &ledger{Back: newGambler(), Go: newGambler()}
	}
	return m
}

// gains of a block that is over, for one figure.
type gains struct {
	old, new   float64 // the shares that are bad, beyond the lines' thresholds
	newGo      float64 // the new version's beyond the intolerable threshold
	nOld, nNew float64
	weight     float64 // of the route in all
	limit      float64
	historical bool // old is what it was lately
}

// look is what a block says of the figure. It isn't ok if it says nothing yet.
func (s *stratum) look(figure string, lines Lines, old, fresh arm, limit float64) (g gains, ok bool) {
	usual, known := s.Usual[figure]
	g.limit = max(limit, 5*usual)
	var nOld, nNew float64
	if figure == P99 {
		if s.Threshold == 0 {
			return g, false
		}
		g.limit = limit
		g.old, nOld = old.rate(figure, s.Threshold, g.limit)
		g.new, nNew = fresh.rate(figure, s.Threshold*lines.Tolerated, g.limit)
		g.newGo, _ = fresh.rate(figure, s.Threshold*lines.Intolerable, g.limit)
	} else {
		g.old, nOld = old.rate(figure, 0, g.limit)
		g.new, nNew = fresh.rate(figure, 0, g.limit)
		g.newGo = g.new
	}
	if figure == Diff {
		g.old, nOld = 0, 1e12 // the live answers are what is compared with
	}
	if nNew == 0 {
		return g, false
	}
	g.weight, g.nOld, g.nNew = nNew, nOld, nNew
	if nOld > 0 {
		g.weight = nNew / (1 + nNew/nOld)
		return g, true
	}
	g.old, g.historical = usual, true
	return g, known
}

// close ends the block: what the old version did in it is what later ones are held against.
func (s *stratum) close(figures []string, now int64) {
	for _, f := range figures {
		if f == Diff {
			continue
		}
		threshold := s.Threshold
		if f == P99 && threshold == 0 {
			// What sets the threshold is used for nothing else.
			s.cal.merge(s.old)
			if ms, n := s.cal.p99(); n >= firstP99 {
				s.Threshold, s.cal = ms, nil
			}
			continue
		}
		rate, n := s.old.rate(f, threshold, 1)
		if n == 0 {
			continue
		}
		usual, known := s.Usual[f]
		if w := min(n/2000, 0.05); known {
			s.Usual[f] = usual + w*(rate-usual)
		} else {
			s.Usual[f] = rate
		}
		if f == P99 {
			// Above the threshold should be 1 %.
			w := followP99 * min(1, n/200)
			s.Threshold *= math.Exp(w * max(-1, min((rate-0.01)/0.01, 3)))
		}
	}
	s.old, s.new, s.began = nil, nil, now
}

// settle lets the gamblers bet on a block.
func (l *ledger) settle(figure string, lines Lines, g gains) {
	l.Old.add(g.old, g.nOld)
	l.New.add(g.new, g.nNew)
	tolerated, intolerable := lines.Tolerated, lines.Intolerable
	if figure == P99 {
		tolerated, intolerable = 0, 0 // they are in the thresholds
	}
	if g.historical {
		// Times change: what the old version did some minutes ago proves less.
		tolerated = intolerable
		if figure == P99 {
			g.new = g.newGo
		}
	}
	l.Back.bet(g.new-g.old-tolerated, g.limit+tolerated)
	l.Go.bet(intolerable-(g.newGo-g.old), g.limit-min(intolerable, g.limit/2))
	l.Go.atMost(maxGo)
}
