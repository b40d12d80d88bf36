package exchange

import (
	"testing"
	"time"
)

// An overload that comes and goes is one: two lines, whatever number of requests was refused.
func TestOverload_BeginsAndEndsOnce(t *testing.T) {
	o := overload{refused: 7}
	began, ended := 0, 0
	var now time.Duration
	look := func(refused uint64) {
		now += time.Second
		b, e := o.look(refused, now)
		if b {
			began++
		}
		if e {
			ended++
		}
	}
	look(7)
	if began != 0 {
		t.Fatal("begins with what was refused before")
	}
	for _, refused := range []uint64{10, 500, 500, 500, 501, 501} {
		look(refused)
	}
	if began != 1 || ended != 0 || o.since != 7 {
		t.Errorf("began %d times, ended %d times, since %d: want 1, 0 and 7", began, ended, o.since)
	}
	for range 30 {
		look(501)
	}
	if began != 1 || ended != 1 {
		t.Errorf("began %d times, ended %d times: want each once", began, ended)
	}
	look(502)
	if began != 2 {
		t.Errorf("the next one: began %d times, want 2", began)
	}
}
