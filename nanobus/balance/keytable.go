package balance

import "math"

const (
	// keySlots is into how many parts keys are divided. It never changes, or all
	// keys would move. So many that of three instances each gets its share to
	// within a percent, of 256 to within some 20 (it is the bound on their load
	// that keeps those even); a power of two, so that the upper bits of a hash
	// are the slot.
	keySlots    = 1 << 16
	keySlotBits = 16

	// maxProbes is how many places a key is offered to before all instances are
	// looked at in their order. At least a fifth of all, by weight, is always
	// below the bound, so nine in ten keys that are passed on come to rest within
	// ten probes.
	maxProbes = 16

	// An instance takes a key while it has no more than boundNum/boundDen = 1.25
	// times its share of what is under way ("c" of the paper).
	boundNum, boundDen = 5, 4
)

// keyTable says which instance a key belongs to: each slot to the one that
// bids lowest for it (rendezvous hashing: Thaler, Ravishankar 1998; weighted
// as by Schindelhauer, Schomaker 2005). A bid depends on the slot, the
// instance's ID and its weight, and on nothing else. Therefore
//
//   - all processes that see the same instances agree, in whatever order and
//     under whatever addresses they found them;
//   - when an instance leaves, its keys move, evenly to the others, and no other
//     key does; when one comes, it takes its share and no other key moves.
//
// Bidding takes time in proportion to the number of instances, so the winners
// are kept. A ring of points needs a search where this needs one access, and, with
// the usual 160 points each, divides keys among few instances less evenly. Among
// 500 and more the ring is the more even one, but there the bound on loads has
// to see to that anyway (BenchmarkKeyTable).
type keyTable struct {
	owner []uint16  // by slot: index in View.members
	bid   []float32 // the owner's
}

// mix is the finalizer of splitmix64: each bit of x decides about each of the
// result (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// golden is 2⁶⁴ by the golden ratio, the step from one probe to the next.
const golden = 0x9e3779b97f4a7c15

// bidFor is what an instance bids for a slot: an exponentially distributed
// number with the weight for its rate. Of such numbers each is the least in
// proportion to its rate. It gives up, with any number not below limit, once
// it can't win.
func (m *member) bidFor(slot uint64, limit float32) float32 {
	u := (float64(mix(m.hash^slot)>>11) + 0.5) / (1 << 53) // 0 < u < 1
	if low := float32((1 - u) / m.rate); low > limit {
		return low // -ln u is more still; and most bids end here, without a logarithm
	}
	return float32(-math.Log(u) / m.rate)
}

// slotHash makes of a slot what bids are made with.
func slotHash(slot int) uint64 { return mix(uint64(slot)*golden + golden) }

// newKeyTable makes the table for members. What before has of it is taken
// over: when one of n instances comes or goes, that leaves one bid for each
// slot, instead of n.
func newKeyTable(members []member, before *View) *keyTable {
	t := &keyTable{owner: make([]uint16, keySlots), bid: make([]float32, keySlots)}
	type node struct {
		hash   uint64
		weight int64
	}
	index := make(map[node]int, len(members))
	for i := range members {
		if m := &members[i]; !m.second {
			index[node{m.hash, m.weight}] = i
		}
	}
	var moved []int // from an index in before to the one in members; -1: gone
	if before != nil && before.keys != nil {
		moved = make([]int, len(before.members))
		for i := range before.members {
			moved[i] = -1
			m := &before.members[i]
			n := node{m.hash, m.weight}
			if k, ok := index[n]; ok && !m.second {
				moved[i] = k
				delete(index, n)
			}
		}
	}
	all, fresh := make([]int, 0, len(members)), make([]int, 0, len(index))
	for i := range members {
		m := &members[i]
		if m.second {
			continue
		}
		all = append(all, i)
		if k, ok := index[node{m.hash, m.weight}]; ok && k == i {
			fresh = append(fresh, i)
		}
	}
	for slot := range keySlots {
		hash, bidders, owner, least := slotHash(slot), all, -1, float32(math.MaxFloat32)
		if moved != nil {
			if o := moved[before.keys.owner[slot]]; o >= 0 {
				bidders, owner, least = fresh, o, before.keys.bid[slot]
			}
		}
		for _, i := range bidders {
			m := &members[i]
			bid := m.bidFor(hash, least)
			// Equal bids are rare, and must not be decided by order of arrival.
			if owner < 0 || bid < least || bid == least && m.hash < members[owner].hash {
				owner, least = i, bid
			}
		}
		t.owner[slot], t.bid[slot] = uint16(owner), least // MaxLinks at most
	}
	return t
}

// below reports whether a member with so many requests under way, of total at
// all, may get one more: whether n + 1 ≤ ⌈c · (total + 1) · its share⌉.
func (v *View) below(m *member, n, total int64) bool {
	return boundDen*n*v.weight < boundNum*(total+1)*m.weight
}

// PickKey chooses the instance that the key belongs to and takes one of its
// credits, unless it has more than its bounded load under way, or no credit:
// then the next place that the key's own sequence names (consistent hashing
// with bounded loads: Mirrokni, Thorup, Zadimoghaddam 2016). The sequence
// jumps instead of going round a ring, so that the overflow of one instance
// goes to all others and not to its neighbour alone (Chen, Coleman,
// Shrivastava 2021). moved: it was not the key's own instance.
func (v *View) PickKey(key uint64, avoid *Target) (l *Target, moved bool, err error) {
	n := len(v.members)
	switch n {
	case 0:
		return nil, false, ErrNoInstance
	case 1:
		if l := v.members[0].target; l.Take() {
			return l, false, nil
		}
		return nil, false, ErrNoCredit
	}
	total := int64(-1) // counted when it is needed
	h := key
	start := -1
	for range maxProbes {
		h += golden
		i := int(v.keys.owner[mix(h)>>(64-keySlotBits)])
		if start < 0 {
			start = i
		}
		m := &v.members[i]
		if m.target == avoid {
			continue
		}
		if under := int64(m.target.inFlight.Load()); under > 0 {
			if total < 0 {
				total = v.sum()
			}
			if !v.below(m, under, total) {
				continue
			}
		}
		if m.target.Take() {
			return m.target, i != start, nil
		}
	}
	if total < 0 {
		total = v.sum()
	}
	// All the same: first anybody below the bound, then anybody with credit. The
	// bound is for evenness; windows are for protection.
	for _, bounded := range [2]bool{true, false} {
		for k := range n {
			m := &v.members[(start+k)%n]
			if m.target == avoid || bounded && !v.below(m, int64(m.target.inFlight.Load()), total) {
				continue
			}
			if m.target.Take() {
				return m.target, true, nil
			}
		}
	}
	if v.Has(avoid) && avoid.Take() {
		return avoid, v.members[start].target != avoid, nil
	}
	return nil, false, ErrNoCredit
}
