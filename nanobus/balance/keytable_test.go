package balance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nanofront/internal/testutil"
)

func simLinks(n int) []*link {
	links := make([]*link, n)
	for i := range links {
		links[i] = simLink(fmt.Sprintf("s-%d", i), 0, 1024)
	}
	return links
}

// owners is whose each slot is.
func owners(s *service) []string {
	v := s.live
	ids := make([]string, keySlots)
	for i, o := range v.keys.owner {
		ids[i] = v.members[o].target.Owner.(*link).ID
	}
	return ids
}

func moved(a, b []string) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestKeyTable_SharesFollowWeights(t *testing.T) {
	links := simLinks(5)
	weights := []int{100, 100, 50, 300, 1000}
	for i, w := range weights {
		links[i].Weight = w
	}
	got := map[string]int{}
	for _, id := range owners(simService(true, links...)) {
		got[id]++
	}
	for i, w := range weights {
		share := float64(got[links[i].ID]) / keySlots
		if want := float64(w) / 1550; math.Abs(share-want) > 0.005 {
			t.Errorf("weight %d has %.4f of the keys: want %.4f", w, share, want)
		}
	}
}

// What a table says must not depend on how it came about: terminators find
// instances in different orders, at different addresses.
func TestKeyTable_AllAgree(t *testing.T) {
	links := simLinks(20)
	links[3].Weight = 250
	want := owners(simService(true, links...))

	others := simLinks(25)
	others[3].Weight = 250
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	s := simService(true)
	for i, l := range others {
		l.Address = fmt.Sprintf("tcp://10.0.0.1:%d", 9000+i)
		l.attached = rand.Int64N(1000)
		s.links[l] = struct{}{}
		s.rebuild()
	}
	for _, l := range others {
		var n int
		if _, err := fmt.Sscanf(l.ID, "s-%d", &n); err != nil {
			t.Fatal(err)
		}
		if n >= 20 {
			delete(s.links, l)
			s.rebuild()
		}
	}
	if n := moved(want, owners(s)); n != 0 {
		t.Errorf("%d of %d slots differ", n, keySlots)
	}
}

func TestKeyTable_OnlyTheKeysOfWhoLeavesMove(t *testing.T) {
	for _, n := range []int{2, 3, 16, 100} {
		links := simLinks(n)
		s := simService(true, links...)
		before := owners(s)
		gone := links[n/2]
		delete(s.links, gone)
		s.rebuild()
		after := owners(s)
		gained := map[string]int{}
		for i := range before {
			switch {
			case before[i] == gone.ID:
				gained[after[i]]++
			case before[i] != after[i]:
				t.Fatalf("%d instances: slot %d moved from %s, which is there, to %s", n, i, before[i], after[i])
			}
		}
		if got, want := moved(before, after), keySlots/n; math.Abs(float64(got-want)) > 6*math.Sqrt(float64(want)) {
			t.Errorf("%d instances: %d of %d slots moved, want about %d", n, got, keySlots, want)
		}
		if len(gained) < (n-1)*9/10 {
			t.Errorf("%d instances: the slots moved to %d only", n, len(gained))
		}
		s.links[gone] = struct{}{}
		s.rebuild()
		if got := moved(before, owners(s)); got != 0 {
			t.Errorf("%d instances: %d slots are elsewhere after it came back", n, got)
		}
	}
}

func TestKeyTable_ChangedWeightMovesTheDifference(t *testing.T) {
	links := simLinks(10)
	s := simService(true, links...)
	before := owners(s)
	links[4].Weight = 50
	s.rebuild()
	after := owners(s)
	for i := range before {
		if before[i] != after[i] && before[i] != "s-4" {
			t.Fatalf("slot %d moved from %s to %s", i, before[i], after[i])
		}
	}
	// From 1/10 to 0.5/9.5.
	if got, want := moved(before, after), keySlots*10/211; math.Abs(float64(got-want)) > 500 {
		t.Errorf("%d slots moved, want about %d", got, want)
	}
}

// An instance that was started again has two links for a moment. Keys go to
// the younger one, and their places don't change.
func TestKeyTable_OneInstanceTwoLinks(t *testing.T) {
	links := simLinks(3)
	s := simService(true, links...)
	before := owners(s)
	again := simLink("s-1", 0, 1024)
	again.attached, again.Address = 5, "tcp://127.0.0.1:1"
	s.links[again] = struct{}{}
	s.rebuild()
	if n := moved(before, owners(s)); n != 0 {
		t.Errorf("%d slots moved", n)
	}
	v := s.live
	for slot, o := range v.keys.owner {
		if v.members[o].target == &links[1].Target {
			t.Fatalf("slot %d is the older link's", slot)
		}
	}
	delete(s.links, links[1])
	s.rebuild()
	if n := moved(before, owners(s)); n != 0 {
		t.Errorf("%d slots moved after the older link had gone", n)
	}
}

func TestService_KeyAvoidsAndFallsBack(t *testing.T) {
	links := simLinks(4)
	s := simService(true, links...)
	const key = 12345
	own, err := s.pick(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.pick(key, own)
	if err != nil || second == own {
		t.Fatalf("after a failure: %v, %v", second.ID, err)
	}
	second.Refund()
	for range 20 { // the same key has the same second place
		l, err := s.pick(key, own)
		if err != nil || l != second {
			t.Fatalf("got %s, %v: want %s", l.ID, err, second.ID)
		}
		l.Refund()
	}
	for _, l := range links {
		l.window.Store(l.inFlight.Load())
	}
	if l, err := s.pick(key, nil); !errors.Is(err, ErrNoCredit) {
		t.Errorf("all at their windows: %v, %v", l, err)
	}
	if l, err := s.pick(0, nil); !errors.Is(err, ErrNoCredit) {
		t.Errorf("all at their windows, without key: %v, %v", l, err)
	}
	own.window.Add(1)
	if l, err := s.pick(key, own); err != nil || l != own {
		t.Errorf("no other has credit: %v, %v", l, err)
	}
	clear(s.links)
	s.rebuild()
	if l, err := s.pick(key, nil); !errors.Is(err, ErrNoInstance) {
		t.Errorf("without instances: %v, %v", l, err)
	}
}

// However full, somebody with credit is found.
func TestService_KeyUsesEveryCredit(t *testing.T) {
	for _, n := range []int{2, 5, 30} {
		links := simLinks(n)
		total := 0
		for i, l := range links {
			l.window.Store(int32(1 + i%7))
			total += 1 + i%7
		}
		s := simService(true, links...)
		for i := range total {
			if _, err := s.pick(99, nil); err != nil {
				t.Fatalf("%d instances: request %d of %d: %v", n, i, total, err)
			}
		}
		if _, err := s.pick(99, nil); !errors.Is(err, ErrNoCredit) {
			t.Errorf("%d instances: got %v beyond their windows", n, err)
		}
	}
}

func TestService_PickAllocatesNothing(t *testing.T) {
	testutil.SkipIfRace(t)
	for name, s := range pickServices(16) {
		key := uint64(0)
		if n := testing.AllocsPerRun(1000, func() {
			if name == "key" {
				key++
			}
			l, err := s.pick(key, nil)
			if err != nil {
				t.Fatal(err)
			}
			l.Refund()
		}); n != 0 {
			t.Errorf("%s: %v allocations a pick", name, n)
		}
	}
}

func TestAlias_DrawsByWeight(t *testing.T) {
	for _, weights := range [][]int64{{1, 1000}, {1, 2, 3}, {7, 7, 7}, {5}, {1000, 1, 1, 1}} {
		members := make([]member, len(weights))
		sum := int64(0)
		for i, w := range weights {
			members[i].weight = w
			sum += w
		}
		a := newAlias(members)
		got := make([]int, len(weights))
		const n = 1 << 20
		for i := range uint64(n) {
			got[a.draw(uint32(i<<12|0x800))]++ // evenly over all that may come
		}
		for i, w := range weights {
			if want := float64(w) / float64(sum); math.Abs(float64(got[i])/n-want) > 1e-5 {
				t.Errorf("weights %v: %d was drawn %.6f of the time, want %.6f", weights, i, float64(got[i])/n, want)
			}
		}
	}
}

func TestView_TwoAreDifferent(t *testing.T) {
	for _, n := range []int{2, 3, 17} {
		links := simLinks(n)
		for _, w := range []int{0, 1000} {
			links[0].Weight = w
			v := simService(false, links...).live
			for range 10_000 {
				if i, j := v.two(rand.Uint64()); i == j || i < 0 || j < 0 || i >= n || j >= n {
					t.Fatalf("%d instances: drew %d and %d", n, i, j)
				}
			}
		}
	}
}

func TestEffectiveWeight(t *testing.T) {
	for w, want := range map[int]int{0: DefaultWeight, NoWeight: 0, -7: 0, 1: 1, 1000: 1000, 1001: MaxWeight} {
		if got := Effective(w); got != want {
			t.Errorf("%d stands for %d, want %d", w, got, want)
		}
	}
}
