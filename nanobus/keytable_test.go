package nanobus

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/internal/testutil"
)

func simLinks(n int) []*Link {
	links := make([]*Link, n)
	for i := range links {
		links[i] = simLink(nil, fmt.Sprintf("s-%d", i), 0, 1024)
	}
	return links
}

// owners is whose each slot is.
func owners(s *Service) []string {
	v := s.live.Load()
	ids := make([]string, keySlots)
	for i, o := range v.keys.owner {
		ids[i] = v.members[o].link.instance.ID
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
		links[i].instance.Weight = w
	}
	got := map[string]int{}
	for _, id := range owners(simService(true, links...)) {
		got[id]++
	}
	for i, w := range weights {
		share := float64(got[links[i].instance.ID]) / keySlots
		if want := float64(w) / 1550; math.Abs(share-want) > 0.005 {
			t.Errorf("weight %d has %.4f of the keys: want %.4f", w, share, want)
		}
	}
}

// What a table says must not depend on how it came about: terminators find
// instances in different orders, at different addresses.
func TestKeyTable_AllAgree(t *testing.T) {
	links := simLinks(20)
	links[3].instance.Weight = 250
	want := owners(simService(true, links...))

	others := simLinks(25)
	others[3].instance.Weight = 250
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	s := simService(true)
	for i, l := range others {
		l.bus = s.bus
		l.instance.Address = fmt.Sprintf("tcp://10.0.0.1:%d", 9000+i)
		l.attached = rand.Int64N(1000)
		s.bus.links[l] = struct{}{}
		s.rebuild()
	}
	for _, l := range others {
		var n int
		if _, err := fmt.Sscanf(l.instance.ID, "s-%d", &n); err != nil {
			t.Fatal(err)
		}
		if n >= 20 {
			delete(s.bus.links, l)
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
		delete(s.bus.links, gone)
		s.rebuild()
		after := owners(s)
		gained := map[string]int{}
		for i := range before {
			switch {
			case before[i] == gone.instance.ID:
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
		s.bus.links[gone] = struct{}{}
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
	links[4].instance.Weight = 50
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
	again := simLink(s.bus, "s-1", 0, 1024)
	again.attached, again.instance.Address = 5, "tcp://127.0.0.1:1"
	s.bus.links[again] = struct{}{}
	s.rebuild()
	if n := moved(before, owners(s)); n != 0 {
		t.Errorf("%d slots moved", n)
	}
	v := s.live.Load()
	for slot, o := range v.keys.owner {
		if v.members[o].link == links[1] {
			t.Fatalf("slot %d is the older link's", slot)
		}
	}
	delete(s.bus.links, links[1])
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
		t.Fatalf("after a failure: %v, %v", second.instance, err)
	}
	second.refund()
	for range 20 { // the same key has the same second place
		l, err := s.pick(key, own)
		if err != nil || l != second {
			t.Fatalf("got %s, %v: want %s", l.instance.ID, err, second.instance.ID)
		}
		l.refund()
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
	clear(s.bus.links)
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
			l.refund()
		}); n != 0 {
			t.Errorf("%s: %v allocations a pick", name, n)
		}
	}
}

// A weight that changes takes effect on the links that there are.
func TestService_WeightChangesWithoutRelinking(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	s := b.Service("s")
	l1, l2 := linkTo(t, b, "1"), linkTo(t, b, "2")
	ask := func(n int, key func(int) uint64) {
		t.Helper()
		for i := range n {
			c := NewCall()
			c.Key = key(i)
			if err := s.Go(c, Bytes("x"), patience); err != nil {
				t.Fatal(err)
			}
			c.Wait()
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			c.Release()
			if c.Key != 0 {
				t.Fatal("Release keeps the key")
			}
		}
	}
	none := func(int) uint64 { return 0 }
	some := func(i int) uint64 { return uint64(i + 1) }
	weigh := func(w1, w2 int) {
		t.Helper()
		in1.Weight, in2.Weight = w1, w2
		if err := b.SetInstances([]Instance{in1, in2}); err != nil {
			t.Fatal(err)
		}
	}
	weigh(NoWeight, 0)
	ask(100, none)
	ask(100, some)
	if got := l1.replies.Load(); got != 0 {
		t.Errorf("an instance that is taken out got %d requests", got)
	}
	if n := s.Live(); n != 1 {
		t.Errorf("%d live: want 1", n)
	}
	for _, l := range b.Links() {
		if want := map[string]int{"1": 0, "2": DefaultWeight}[l.Instance]; l.Weight != want || l.State != "live" {
			t.Errorf("link to %s: weight %d, %s: want %d, live", l.Instance, l.Weight, l.State, want)
		}
	}
	weigh(NoWeight, NoWeight)
	if _, err := call(t, b, "x", patience); !errors.Is(err, ErrNoInstance) {
		t.Errorf("all taken out: got %v", err)
	}
	weigh(900, 100)
	before := l2.replies.Load()
	ask(400, some)
	if got := l2.replies.Load() - before; got < 10 || got > 90 {
		t.Errorf("a weight of 100 beside 900 got %d of 400 keys", got)
	}
	if linkTo(t, b, "1") != l1 || linkTo(t, b, "2") != l2 || b.metrics.opened.Value() != 2 {
		t.Error("linked anew")
	}
}

func TestService_DrainingGetsNoKeys(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	b2, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	s := b.Service("s")
	s.UseKeys()
	ctx := t.Context()
	drained := make(chan error, 1)
	go func() { drained <- b2.Drain(ctx) }()
	waitFor(t, "the caller knows", func() bool { return s.Live() == 1 })
	for key := uint64(1); key <= 200; key++ {
		c := NewCall()
		c.Key = key
		if err := s.Go(c, Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil || c.Link.instance.ID != "1" {
			t.Fatalf("key %d: %v from %s", key, c.Err, c.Link.instance.ID)
		}
		c.Release()
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// Calls of GoAll go each to the instance of its key, and one message each.
func TestService_GoAllByKey(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	_, in3 := server(t, "3", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2, in3)
	s := b.Service("s")
	var calls []*Call
	var payloads []Payload
	for i := range 60 {
		c := NewCall()
		c.Key = uint64(i/20) + 1 // three keys
		calls, payloads = append(calls, c), append(payloads, Bytes("x"))
	}
	// One at a time first: alone, each key is where it belongs.
	own := map[uint64]string{}
	for key := uint64(1); key <= 3; key++ {
		l, err := s.pick(key, nil)
		if err != nil {
			t.Fatal(err)
		}
		own[key] = l.instance.ID
		l.refund()
	}
	s.GoAll(calls, payloads, patience)
	home := 0
	for _, c := range calls {
		c.Wait()
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		if c.Link.instance.ID == own[c.Key] {
			home++
		}
	}
	// Bounded loads send some elsewhere: 1.25 thirds stay at the least, if all
	// three keys belong to one.
	if home < 20 {
		t.Errorf("%d of 60 went where their key belongs", home)
	}
}

// Instances come and go, and change their weights, while many choose.
func TestService_ComingAndGoing(t *testing.T) {
	var list []Instance
	for i := range 4 {
		_, in := server(t, fmt.Sprint(i), Options{Serve: echo}, tcp)
		list = append(list, in)
	}
	b := caller(t, list...)
	s := b.Service("s")
	var stop atomic.Bool
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			c := NewCall()
			for i := uint64(1); !stop.Load(); i++ {
				c.Key = i * uint64(g%2) // half without
				err := s.Go(c, Bytes("x"), patience)
				if err == nil {
					c.Wait()
					err = c.Err
				}
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, ErrLinkDown), errors.Is(err, ErrNoInstance):
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
				c.Release()
			}
		})
	}
	for i := range 60 {
		now := slices.Clone(list)
		now[0].Weight = []int{0, NoWeight, 1000}[i%3]
		if i%4 == 3 {
			// Its link breaks, and it is gone from the list at the same time.
			linkTo(t, b, "3").close("test")
			now = now[:3]
		}
		if err := b.SetInstances(now); err != nil {
			t.Fatal(err)
		}
		want := len(now)
		if now[0].Weight == NoWeight {
			want--
		}
		waitFor(t, "the view is as it should be", func() bool { return s.Live() == want })
		_ = b.Links()
		more := answered.Load() + 50
		waitFor(t, "requests go on", func() bool { return answered.Load() > more })
	}
	stop.Store(true)
	wg.Wait()
	for _, l := range b.Links() {
		if l.InFlight != 0 {
			t.Errorf("%d credits of %s are lost", l.InFlight, l.Instance)
		}
	}
	t.Logf("%d answered, %d not", answered.Load(), refused.Load())
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

func TestLive_TwoAreDifferent(t *testing.T) {
	for _, n := range []int{2, 3, 17} {
		links := simLinks(n)
		for _, w := range []int{0, 1000} {
			links[0].instance.Weight = w
			v := simService(false, links...).live.Load()
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
		if got := effectiveWeight(w); got != want {
			t.Errorf("%d stands for %d, want %d", w, got, want)
		}
	}
}
