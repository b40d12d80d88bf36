package balance

import "math/rand/v2"

// Pick chooses by the power of two choices (Mitzenmacher 2001): of two
// members, drawn at random in proportion to their weights, the one where a
// request is expected to wait less. If neither has credit, any other that has.
func (v *View) Pick(avoid *Target) (*Target, error) {
	n := len(v.members)
	switch n {
	case 0:
		return nil, ErrNoInstance
	case 1:
		if l := v.members[0].target; l.Take() {
			return l, nil
		}
		return nil, ErrNoCredit
	}
	i, j := v.two(rand.Uint64())
	a, b := &v.members[i], &v.members[j]
	if a.target == avoid || (b.target != avoid && v.better(b, a)) {
		a, b = b, a
	}
	if a.target.Take() {
		return a.target, nil
	}
	if b.target != avoid && b.target.Take() {
		return b.target, nil
	}
	for k := range n {
		if l := v.members[(i+k)%n].target; l != avoid && l.Take() {
			return l, nil
		}
	}
	if v.Has(avoid) && avoid.Take() {
		return avoid, nil
	}
	return nil, ErrNoCredit
}

// two draws two different members. There are two at least.
func (v *View) two(r uint64) (i, j int) {
	n := len(v.members)
	hi, lo := uint32(r>>32), uint32(r) // its halves
	if v.alias == nil {
		i, j = int(uint64(hi)*uint64(n)>>32), int(uint64(lo)*uint64(n-1)>>32) // below n
		if j >= i {
			j++
		}
		return i, j
	}
	i = v.alias.draw(hi)
	if n == 2 {
		return i, 1 - i
	}
	j = v.alias.draw(lo)
	if j == i {
		// One that outweighs all others would be drawn again and again: any
		// other, then. It gets the request only if it is clearly better.
		j = (i + 1 + int(uint64(uint32(r*golden>>32))*uint64(n-1)>>32)) % n // below n
	}
	return i, j
}

// better reports whether b is clearly better than a, which was drawn first:
// whether a request is expected to wait less than four fifths as long there.
//
// Among about equals the first one is to stay, for its weight has drawn it:
// else the slightly faster of two would get everything from a caller that never
// has more than one request under way. For the same reason, loads count as
// equal if one request more would make the lesser the greater: with weights
// 300 and 100, one request at the first is no reason to go to the second. And
// then, if the weights differ, b has to be twice as fast: a recent latency
// varies by as much where single requests do, and a heavy instance, asked more
// often, has more chances of looking slow (TestSim_SharesFollowWeights).
func (v *View) better(b, a *member) bool {
	if b.out {
		return false
	}
	na, nb := int64(a.target.inFlight.Load()), int64(b.target.inFlight.Load())
	ca, cb := a.target.cost(), b.target.cost()
	if (nb+1)*a.weight <= na*b.weight || (na+1)*b.weight <= nb*a.weight {
		ca *= float64(na)*v.scale/float64(a.weight) + 1
		cb *= float64(nb)*v.scale/float64(b.weight) + 1
	} else if a.weight != b.weight {
		return 2*cb < ca
	}
	return 5*cb < 4*ca
}
