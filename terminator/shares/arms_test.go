package shares

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
)

// In each thousand every arm has its share, also where that isn't a whole number, and whatever the
// order in which goroutines come.
func TestTurns_ExactOverEachThousand(t *testing.T) {
	for _, shares := range []map[string]int{
		{"41": 95, "42": 5},
		{"41": 999, "42": 1},
		{"a": 1, "b": 1, "c": 1},
		{"a": 7, "b": 0, "c": 2, "d": 2},
		{"only": 3},
		{"a": 1_000_000, "b": 999_999, "c": 2001},
	} {
		arms := New("versions web", "", shares)
		turns := NewTurns(arms, rand.Uint64())
		sum := 0
		for _, s := range shares {
			sum += s
		}
		total := make([]int, len(arms.names))
		for block := range 50 {
			count := make([]int, len(arms.names))
			for range Block {
				count[turns.Next()]++
			}
			for i, name := range arms.names {
				total[i] += count[i]
				due := float64(Block) * float64(shares[name]) / float64(sum)
				if float64(count[i]) < math.Floor(due)-1 || float64(count[i]) > math.Ceil(due)+1 {
					t.Errorf("%v: %s had %d of block %d, want %.2f", shares, name, count[i], block, due)
				}
				if all := due * float64(block+1); math.Abs(float64(total[i])-all) > 1 {
					t.Errorf("%v: %s had %d of %d blocks, want %.2f", shares, name, total[i], block+1, all)
				}
			}
		}
	}
}

func TestTurns_ExactForManyAtOnce(t *testing.T) {
	turns := NewTurns(New("versions web", "", map[string]int{"41": 95, "42": 5}), 7)
	var counts [8][2]int
	var all sync.WaitGroup
	for g := range counts {
		all.Go(func() {
			for range 10 * Block {
				counts[g][turns.Next()]++
			}
		})
	}
	all.Wait()
	var total [2]int
	for _, c := range counts {
		total[0] += c[0]
		total[1] += c[1]
	}
	if total != [2]int{76_000, 4_000} {
		t.Errorf("got %v", total)
	}
}

// Each place of a block is taken once, and no order comes again: a client that asks for the same
// five things in a row gets each of them from all arms.
func TestTurns_OrdersAreRandom(t *testing.T) {
	for key := range uint64(200) {
		var seen [Block]bool
		for place := range uint64(Block) {
			p := permute(place, mix(key))
			if seen[p] {
				t.Fatalf("key %d: %d twice", key, p)
			}
			seen[p] = true
		}
	}
	// Where the 50 of a block are, modulo five, over many blocks: chi² with four degrees of freedom.
	turns := NewTurns(New("versions web", "", map[string]int{"41": 95, "42": 5}), 3)
	var by [5]float64
	const blocks = 400
	for i := range blocks * Block {
		if turns.Next() == 1 {
			by[i%5]++
		}
	}
	chi := 0.0
	for _, n := range by {
		const due = blocks * 50 / 5
		chi += (n - due) * (n - due) / due
	}
	if chi > 23.5 { // one in ten thousand
		t.Errorf("by place modulo five %v: chi² %.1f", by, chi)
	}
}

// From 5 to 25 % exactly the 20 points move, all of them to the one that grows; and what has moved
// stays, also with a third arm.
func TestArms_OnlyTheDifferenceMoves(t *testing.T) {
	const keys = 200_000
	assign := func(shares map[string]int) []string {
		arms := New("versions web", "", shares)
		out := make([]string, keys)
		for i := range out {
			out[i] = arms.names[arms.ByKey(mix(uint64(i)))]
		}
		return out
	}
	share := func(list []string, name string) float64 {
		n := 0
		for _, s := range list {
			if s == name {
				n++
			}
		}
		return float64(n) / keys
	}
	before, after := assign(map[string]int{"41": 95, "42": 5}), assign(map[string]int{"41": 75, "42": 25})
	moved := 0
	for i := range before {
		if before[i] != after[i] {
			moved++
			if before[i] != "41" {
				t.Fatalf("key %d went back from %s to %s", i, before[i], after[i])
			}
		}
	}
	if b, a, m := share(before, "42"), share(after, "42"), float64(moved)/keys; math.Abs(b-0.05) > 0.002 || math.Abs(a-0.25) > 0.004 || math.Abs(m-(a-b)) > 1e-9 {
		t.Errorf("%.4f, then %.4f; %.4f have moved", b, a, m)
	}
	// Steps of a ramp, with a third version whose share stays: who is on 42 stays there.
	last := assign(map[string]int{"40": 10, "41": 89, "42": 1})
	for _, step := range []int{5, 25, 50, 90} {
		next := assign(map[string]int{"40": 10, "41": 90 - step, "42": step})
		for i := range next {
			if last[i] == "42" && next[i] != "42" {
				t.Fatalf("at %d %%: key %d left 42", step, i)
			}
		}
		if got := share(next, "42"); math.Abs(got-float64(step)/100) > 0.005 {
			t.Errorf("at %d %%: %.4f", step, got)
		}
		last = next
	}
}

// Who is on the new version says nothing of which variant he gets, of this experiment or that, or
// what he would get with another salt.
func TestArms_PurposesAreIndependent(t *testing.T) {
	const keys = 400_000
	half := map[string]int{"a": 50, "b": 50}
	passes := map[string]*Arms{
		"versions of web":     New("versions web", "", map[string]int{"41": 75, "42": 25}),
		"versions of profile": New("versions profile", "", map[string]int{"41": 75, "42": 25}),
		"salted":              New("versions web", "x", map[string]int{"41": 75, "42": 25}),
		"an experiment":       New("experiment one", "", half),
		"another":             New("experiment two", "", half),
		"another's salt":      New("experiment two", "2", half),
	}
	for one, a := range passes {
		for other, b := range passes {
			if one >= other {
				continue
			}
			var n [2][2]float64
			for i := range uint64(keys) {
				key := mix(i ^ 0x5bd1e995)
				n[a.ByKey(key)][b.ByKey(key)]++
			}
			chi := 0.0
			for i := range 2 {
				for j := range 2 {
					due := (n[i][0] + n[i][1]) * (n[0][j] + n[1][j]) / keys
					chi += (n[i][j] - due) * (n[i][j] - due) / due
				}
			}
			if chi > 15.1 { // one in ten thousand, with one degree of freedom
				t.Errorf("%s and %s: %v, chi² %.1f", one, other, n, chi)
			}
		}
	}
}

func TestArms_NoAllocation(t *testing.T) {
	arms := New("versions web", "", map[string]int{"41": 95, "42": 5})
	turns, key, sum := NewTurns(arms, 1), uint64(1), 0
	if n := testing.AllocsPerRun(1000, func() {
		key++
		sum += arms.ByKey(mix(key)) + turns.Next()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkByKey(b *testing.B) {
	arms, key := New("versions web", "", map[string]int{"41": 95, "42": 5}), uint64(0)
	for b.Loop() {
		key++
		arms.ByKey(key)
	}
}

func BenchmarkTurns(b *testing.B) {
	turns := NewTurns(New("versions web", "", map[string]int{"41": 95, "42": 5}), 1)
	for b.Loop() {
		turns.Next()
	}
}
