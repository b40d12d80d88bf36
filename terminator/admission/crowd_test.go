package admission

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func TestFairShare(t *testing.T) {
	for _, c := range []struct {
		asked  []uint32
		places uint32
		want   uint32
	}{
		{nil, 100, 0},
		{[]uint32{10, 20, 30}, 100, 0},
		{[]uint32{10, 20, 30}, 60, 0},
		{[]uint32{100}, 50, 50},
		{[]uint32{100, 100}, 50, 25},
		{[]uint32{1000, 1, 1, 1}, 100, 97},
		{[]uint32{1000, 500, 10, 10}, 100, 40},
		{[]uint32{5, 5, 5}, 1, 1},
	} {
		if got := fairShare(c.asked, c.places); got != c.want {
			t.Errorf("%v of %d: %d, want %d", c.asked, c.places, got, c.want)
		}
	}
}

func TestClientOf(t *testing.T) {
	of := func(s string) Client { return ClientOf(netip.MustParseAddr(s)) }
	for _, same := range [][2]string{
		{"10.1.2.3", "10.1.2.200"}, {"::ffff:10.1.2.3", "10.1.2.9"}, {"2001:db8:1:200::1", "2001:db8:1:2ff:1::"},
	} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%v are two", same)
		}
	}
	if of("10.1.2.3") == of("10.1.3.3") || of("2001:db8:1:2::") == of("2001:db8:1:302::") {
		t.Error("two prefixes are one")
	}
	if ClientOf(netip.Addr{}) != 0 || of("10.0.0.1") == 0 {
		t.Error("nobody is somebody, or the other way round")
	}
	slots := make(map[Client]bool)
	for i := range 1000 {
		slots[of(fmt.Sprintf("10.%d.%d.1", i/250, i%250))] = true
	}
	if len(slots) < 580 { // 638 on average if by chance
		t.Errorf("1,000 prefixes have %d counters", len(slots))
	}
}

// One client with half of all requests of an overload, and many with a few each: the many have
// theirs answered.
func TestCrowd_OneGreedy(t *testing.T) {
	const perWindow, each = 100, 10 // the service answers so many in a window, with at most so many at once
	l := newLimiter(1, 1000)
	g := l.Gate("s")
	g.judge.limits, g.judge.limit = true, 2*each
	r := rand.New(rand.NewPCG(1, 1))
	var asked, got [2]int
	for w := range 40 {
		g.limit.Store(2 * each)
		g.rate.Store(perWindow * int64(time.Second/window))
		if g.crowd.Load() == nil {
			g.crowd.Store(new(crowd))
		}
		for range perWindow { // as one ends two come: one of the greedy, one of a thousand others
			for _, at := range r.Perm(2) {
				c := Client(1)
				if at == 1 {
					if r.IntN(5) == 0 {
						continue // they need four fifths of the whole
					}
					c = Client(2 + r.IntN(1000))
				}
				asked[at]++
				if g.Enter(Ask{Client: c}) {
					got[at]++
				}
			}
			if g.InFlight() > each {
				g.Answered(time.Millisecond, 0)
			}
		}
		g.crowd.Load().ends(perWindow)
		if w == 4 { // the first say nothing
			asked, got = [2]int{}, [2]int{}
		}
	}
	t.Logf("the greedy: %d of %d, the others: %d of %d", got[0], asked[0], got[1], asked[1])
	if share := float64(got[1]) / float64(asked[1]); share < 0.9 {
		t.Errorf("%.2f of the others' requests were let in", share)
	}
	if n := got[0] + got[1]; n < 34*perWindow {
		t.Errorf("%d were let in in all, of %d that could be", n, 35*perWindow)
	}
}
