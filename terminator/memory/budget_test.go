package memory

import (
	"fmt"
	"sync"
	"testing"
)

func TestBudget_IsNeverOverdrawn(t *testing.T) {
	b := New(100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10_000 {
				if b.Take(30, Owner{}) {
					if held := b.Held(); held < 30 {
						t.Errorf("%d bytes held with 30 of them taken", held)
					}
					b.Give(30, Owner{})
				}
			}
		})
	}
	wg.Wait()
	if b.Held() != 0 || !b.Take(100, Owner{}) || b.Take(1, Owner{}) {
		t.Errorf("%d bytes held of a budget of 100", b.Held())
	}
	var none *Budget
	if none.Take(1, Owner{}) || none.Service("x") != 0 {
		t.Error("no budget has room")
	}
}

// fill takes pieces for an owner until there are no more, and returns how many bytes that was.
func fill(b *Budget, o Owner, piece int) (n int) {
	for b.Take(piece, o) {
		n += piece
	}
	return n
}

// However much one holds, another finds room; and who is alone finds nearly all.
func TestBudget_Shares(t *testing.T) {
	const most, piece = 1 << 30, 64 << 10
	percent := func(n int) int { return 100 * n / most }
	t.Run("clients", func(t *testing.T) {
		b := New(most)
		first := fill(b, Owner{Client: 7}, piece)
		if percent(first) != 50 && percent(first) != 49 {
			t.Errorf("one alone holds %d %%", percent(first))
		}
		second := fill(b, Owner{Client: 8}, piece)
		if percent(second) < 24 {
			t.Errorf("the second holds %d %%", percent(second))
		}
		if b.Take(piece, Owner{Client: 7}) {
			t.Error("the first has got more")
		}
		// A crowd of small ones gets what is left.
		left, small := most-int(b.Held()), 0
		for c := uint32(100); c < 200; c++ {
			small += fill(b, Owner{Client: c}, piece)
		}
		if small < left*9/10 {
			t.Errorf("the others hold %d of %d bytes that were left", small, left)
		}
		b.Give(first, Owner{Client: 7})
		if again := fill(b, Owner{Client: 7}, piece); percent(again) < 10 {
			t.Errorf("with all given back: %d %%", percent(again))
		}
	})
	t.Run("services", func(t *testing.T) {
		b := New(most)
		a := b.Service("a")
		alone := 0
		for c := uint32(1); c <= 100; c++ {
			alone += fill(b, Owner{Service: a, Client: c}, piece)
		}
		if percent(alone) < 99 {
			t.Errorf("the only service holds %d %%, for many clients", percent(alone))
		}
		b = New(most)
		a, other := b.Service("a"), b.Service("other")
		if a != b.Service("a") || a == other {
			t.Error("services are mixed up")
		}
		held := 0
		for c := uint32(1); c <= 100; c++ {
			held += fill(b, Owner{Service: a, Client: c}, piece)
		}
		if percent(held) > 81 {
			t.Errorf("one of two services holds %d %%", percent(held))
		}
		if got := fill(b, Owner{Service: other, Client: 500}, piece); percent(got) < 9 {
			t.Errorf("the other one holds %d %%", percent(got))
		}
	})
	t.Run("very many services", func(t *testing.T) {
		b := New(most)
		for i := range maxServices + 10 {
			if s := b.Service(fmt.Sprint(i)); (s == 0) != (i >= maxServices) {
				t.Fatalf("service %d is %d", i, s)
			}
		}
		if !b.Take(1, Owner{Service: b.Service("one more")}) {
			t.Error("one without a share gets nothing")
		}
	})
}
