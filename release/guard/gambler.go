package guard

// The shares of what a block can lose at most that a gambler stakes: who bets little wins surely but
// slowly if the difference is small, who bets much if it is large.
var stakes = [...]float64{0.05, 0.15, 0.4, 0.8}

// gambler is a test that may be looked at as often as one likes: its money, which began at 1, is the
// evidence against what it bets on to be false.
//
// A part of the money is kept, and staked bit by bit: a fault that comes up late is bet on with money
// that earlier blocks couldn't lose.
type gambler struct {
	Staked [len(stakes)]float64 `json:"staked"` // by stake
	Kept   float64              `json:"kept"`
}

// Of what is kept, this is staked in each block, and at the beginning of a step.
const (
	stakeBlock = 1.0 / 200
	stakeStep  = 0.5
)

func newGambler() gambler { return gambler{Kept: 1} }

// stake takes a share of what is kept to the table.
func (g *gambler) stake(share float64) {
	part := g.Kept * share
	g.Kept -= part
	for i := range g.Staked {
		g.Staked[i] += part / float64(len(stakes))
	}
}

// bet pays out a block: gain is -loss at the least, and on the average 0 or less if what is bet on
// isn't so.
func (g *gambler) bet(gain, loss float64) {
	g.stake(stakeBlock)
	for i, share := range stakes {
		g.Staked[i] = min(g.Staked[i]*(1+share*gain/loss), 1e15)
	}
}

func (g *gambler) money() float64 {
	sum := g.Kept
	for _, s := range g.Staked {
		sum += s
	}
	return sum
}

// atMost puts aside for good what is more than limit.
func (g *gambler) atMost(limit float64) {
	if m := g.money(); m > limit {
		for i := range g.Staked {
			g.Staked[i] *= limit / m
		}
		g.Kept *= limit / m
	}
}
