package shares

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Arms are what requests are shared among.
type Arms struct {
	names []string // with a share above 0, sorted
	seeds []uint64 // of each, from the salt and its name
	rates []float64
	ends  []uint64 // sums of the shares up to each
}

// New makes arms of shares, whose sum is above 0. Purpose is what they are for, such as a service's
// versions, or one experiment's variants: who gets what for one purpose says nothing of what he
// gets for another. So does salt, which draws everybody anew.
func New(purpose, salt string, shares map[string]int) *Arms {
	a := &Arms{}
	sum := uint64(0)
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		share := shares[name]
		if share <= 0 {
			continue
		}
		sum += uint64(share)
		a.names = append(a.names, name)
		a.seeds = append(a.seeds, mix(xxhash.Sum64String(purpose+"\x00"+salt+"\x00"+name)))
		a.rates = append(a.rates, float64(share))
		a.ends = append(a.ends, sum)
	}
	return a
}

// Names are those that have a share. Not to be changed.
func (a *Arms) Names() []string { return a.names }

// ByLoad lists the arms' indices, the largest share first.
func (a *Arms) ByLoad() []int {
	order := make([]int, len(a.names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, k int) int { return int(a.rates[k] - a.rates[i]) })
	return order
}

// ByKey returns the arm that a key belongs to: the one that bids lowest for it, as in nanobus/balance
// instances do (weighted rendezvous hashing: Thaler, Ravishankar 1998; Schindelhauer, Schomaker
// 2005). A bid depends on the key, the arm's name, the purpose, the salt and the arm's share. So all
// processes agree, and when a share grows at the cost of another, exactly the difference moves, to
// the one that grows. With three arms and more some keys move between two whose shares have changed
// against each other: no rule without a memory can avoid that (Bavarian et al. 2016); but to an arm
// whose share shrinks against that of the old one, none ever does.
func (a *Arms) ByKey(key uint64) int {
	best, least := 0, math.Inf(1)
	if len(a.names) == 1 {
		return 0
	}
	for i, seed := range a.seeds {
		u := (float64(mix(key^seed)>>11) + 0.5) / (1 << 53) // 0 < u < 1
		// Equal bids go to the first by name.
		if bid := -math.Log(u) / a.rates[i]; bid < least {
			best, least = i, bid
		}
	}
	return best
}

// Same reports whether both have the same names and shares, so that blocks go on.
func (a *Arms) Same(b *Arms) bool {
	return slices.Equal(a.names, b.names) && slices.Equal(a.rates, b.rates)
}

// Block is over how many requests shares are kept.
const Block = 1000

// Turns share requests without a key: exactly over each thousand, in an order that is random and
// another one in each thousand. A fixed one would fall into step with clients, which ask for several
// things in a fixed order. What isn't whole, as a third of 1000, is made up for in the next block.
//
// Those who ask share one counter, and no lock. Turns must not be copied.
type Turns struct {
	arms *Arms
	seed uint64
	_    [64]byte // processors fetch lines in pairs
	next atomic.Uint64
	_    [120]byte
}

// NewTurns begins with a first block. The seed is to be random, so that several fronts don't take
// turns in step.
func NewTurns(a *Arms, seed uint64) *Turns { return &Turns{arms: a, seed: seed} }

// Next returns the arm of the next request.
func (t *Turns) Next() int {
	a := t.arms
	if len(a.names) == 1 {
		return 0
	}
	n := t.next.Add(1) - 1
	block := n / Block
	place := permute(n%Block, mix(t.seed+block))
	sum := a.ends[len(a.ends)-1]
	b := block % sum // after so many blocks all is whole again
	for i, end := range a.ends {
		// What the arms up to this one are due after this block, less what they had after the last.
		if place < (b+1)*Block*end/sum-b*Block*end/sum {
			return i
		}
	}
	return len(a.ends) - 1 // never: the last one's end is Block
}

// permute returns where a place of a block is by the permutation of that key: a Feistel network of
// ten bits, walked until it is back below Block (Black, Rogaway 2002), of which one in 43 steps is
// not.
func permute(place, key uint64) uint64 {
	for {
		left, right := place>>5, place&31
		for round := range uint64(4) {
			left, right = right, left^mix(key+round*32+right)>>59
		}
		if place = left<<5 | right; place < Block {
			return place
		}
	}
}

// mix is the finalizer of splitmix64: each bit of x decides about each of the result (Steele, Lea,
// Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
