package link

import "testing"

// A bus without a budget of its user's sends a hundred copies, and one more for each twenty calls.
func TestSpares(t *testing.T) {
	var s spares
	take := func(calls uint64) (n int) {
		for s.take(calls) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		calls uint64
		want  int
	}{{0, 100}, {19, 0}, {20, 1}, {399, 18}, {400, 1}, {1_000_000, 100}, {1_000_000, 0}} {
		if n := take(c.calls); n != c.want {
			t.Errorf("after %d calls %d copies, want %d", c.calls, n, c.want)
		}
	}
}
