package balance

// Weights of instances. An instance's share of the requests is its weight
// among the weights of all, as long as it is as fast as the others.
const (
	// DefaultWeight is the weight of an instance that has none of its own.
	DefaultWeight = 100
	// MaxWeight is the largest weight.
	MaxWeight = 1000
	// NoWeight takes an instance out: it gets no new requests. Its link stays,
	// so that what is under way ends as usual and taking it back in costs
	// nothing.
	NoWeight = -1
)

// Effective is what Instance.Weight stands for: 0..MaxWeight.
func Effective(w int) int {
	switch {
	case w == 0:
		return DefaultWeight
	case w < 0:
		return 0
	default:
		return min(w, MaxWeight)
	}
}

// alias draws members in proportion to their weights, at the cost of one
// access whatever their number (Walker 1977; built as by Vose 1991). Each
// column has a part of its own member and, above it, one of another:
//
//	┌───┬───┬───┬───┐
//	│ B │ B │ B │ D │  keep: where the own part ends
//	├───┤   ├───┤   │  other: whose part is above it
//	│ A │   │ C │   │
//	└───┴───┴───┴───┘
type alias struct {
	keep  []uint32 // of 2³²
	other []uint16
}

func newAlias(members []member) *alias {
	n := len(members)
	a := &alias{keep: make([]uint32, n), other: make([]uint16, n)}
	sum := int64(0)
	for i := range members {
		sum += members[i].weight
	}
	// In units of 1/(n·sum), so that a column is sum high and nothing is rounded.
	height := make([]int64, n)
	var low, high []int
	for i := range members {
		height[i] = members[i].weight * int64(n)
		if height[i] < sum {
			low = append(low, i)
		} else {
			high = append(high, i)
		}
	}
	for len(low) > 0 && len(high) > 0 {
		l, h := low[len(low)-1], high[len(high)-1]
		low = low[:len(low)-1]
		a.keep[l] = uint32(uint64(height[l]) << 32 / uint64(sum)) // height < sum, both small
		a.other[l] = uint16(h)                                    // MaxLinks at most
		height[h] -= sum - height[l]
		if height[h] < sum {
			high = high[:len(high)-1]
			low = append(low, h)
		}
	}
	for _, i := range append(low, high...) { // full columns
		a.keep[i], a.other[i] = 1<<32-1, uint16(i) // MaxLinks at most
	}
	return a
}

// draw turns 32 random bits into a member's index. The upper part of their
// product with n is the column, the lower, as random, the height.
func (a *alias) draw(r uint32) int {
	x := uint64(r) * uint64(len(a.keep))
	i := x >> 32
	if uint32(x) < a.keep[i] { // the lower half
		return int(i)
	}
	return int(a.other[i])
}
