package held

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type testItem = Item[string, int]

func add(t *Table[string, int], id uint64, owner string, now, timeout time.Duration) bool {
	return t.Add(&testItem{ID: id, Owner: owner, Who: int(id), Size: 10}, now, timeout)
}

func ids(list []*testItem) map[uint64]bool {
	m := make(map[uint64]bool)
	for _, i := range list {
		m[i.ID] = true
	}
	return m
}

func TestTable_Bounds(t *testing.T) {
	h := NewTable[string, int](2)
	if !add(h, 1, "a", 0, time.Second) || !add(h, 2, "a", 0, time.Second) {
		t.Fatal("no room")
	}
	if add(h, 3, "a", 0, time.Second) {
		t.Error("one too many")
	}
	if h.Len() != 2 || h.Bytes() != 20 {
		t.Errorf("%d items of %d bytes", h.Len(), h.Bytes())
	}
	if h.Take(1, "b") != nil {
		t.Error("another's")
	}
	if i := h.Take(1, "a"); i == nil || i.Who != 1 {
		t.Errorf("%v", i)
	}
	if h.Take(1, "a") != nil || h.TakeID(1) != nil {
		t.Error("taken twice")
	}
	if add(h, 2, "b", 0, time.Second) {
		t.Error("two of one id")
	}
	if h.TakeID(2) == nil || h.Len() != 0 || h.Bytes() != 0 {
		t.Errorf("%d items of %d bytes", h.Len(), h.Bytes())
	}
}

func TestTable_Owner(t *testing.T) {
	h := NewTable[string, int](100)
	for id := uint64(1); id <= 10; id++ {
		add(h, id, []string{"even", "odd"}[id%2], 0, time.Second)
	}
	if got := h.TakeOwner("odd"); len(got) != 5 || !ids(got)[3] {
		t.Errorf("%v", ids(got))
	}
	if got := h.TakeSome(3); len(got) != 3 || h.Len() != 2 {
		t.Errorf("%v, %d left", ids(got), h.Len())
	}
	if got := h.TakeSome(3); len(got) != 2 || h.Len() != 0 {
		t.Errorf("%v, %d left", ids(got), h.Len())
	}
}

// TestTable_Timeouts holds the wheel against what a list would say, over several turns and with
// pauses longer than one.
func TestTable_Timeouts(t *testing.T) {
	h := NewTable[string, int](10_000)
	rng := rand.New(rand.NewPCG(1, 2))
	due := make(map[uint64]time.Duration)
	var now time.Duration
	id := uint64(0)
	for range 3_000 {
		for range rng.IntN(4) {
			id++
			timeout := time.Duration(rng.Int64N(int64(3 * wheel * Tick)))
			if !add(h, id, "a", now, timeout) {
				t.Fatal("no room")
			}
			due[id] = now + timeout
		}
		for gone := range due { // some leave
			if rng.IntN(10) > 0 {
				break
			}
			if h.TakeID(gone) == nil {
				t.Fatalf("%d is not there", gone)
			}
			delete(due, gone)
		}
		step := time.Duration(rng.Int64N(int64(3 * Tick)))
		if rng.IntN(500) == 0 {
			step = 2 * wheel * Tick // the process was stopped
		}
		now += step
		for _, i := range h.TakeDue(now) {
			if due[i.ID] == 0 {
				t.Fatalf("%d twice, or taken before", i.ID)
			}
			if now < due[i.ID] {
				t.Fatalf("%d at %v, %v early", i.ID, now, due[i.ID]-now)
			}
			delete(due, i.ID)
		}
		for late, at := range due {
			if now > at+2*Tick {
				t.Fatalf("%d is due since %v, now %v", late, at, now)
			}
		}
		if h.Len() != len(due) {
			t.Fatalf("%d are held, want %d", h.Len(), len(due))
		}
	}
}
