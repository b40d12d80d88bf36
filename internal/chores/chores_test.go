package chores

import (
	"testing"
	"time"
)

// Whoever asks, and whenever, is told the same moment; and those of one beat are
// moments of a quicker one, too.
func TestNext_OneMoment(t *testing.T) {
	const every = time.Hour // far off, so that it doesn't pass meanwhile
	first := time.Now().Add(Next(every))
	for range 1000 {
		d := Next(every)
		if d <= 0 || d > every {
			t.Fatalf("%v until the next moment, want within (0, %v]", d, every)
		}
		if off := time.Now().Add(d).Sub(first).Abs(); off > time.Minute {
			t.Fatalf("another moment, %v away", off)
		}
	}
	slow := time.Now().Add(Next(4 * time.Second))
	if off := slow.Sub(began) % time.Second; min(off, time.Second-off) > 100*time.Millisecond {
		t.Errorf("the moment of 4 s is %v off one of 1 s", off)
	}
}

func TestOffSeconds(t *testing.T) {
	for ns := time.Duration(0); ns < time.Second; ns += 7 * time.Millisecond {
		got := offSeconds(time.Unix(1000, int64(ns)))
		if within := time.Duration(got.Nanosecond()); within < 200*time.Millisecond || within > 900*time.Millisecond || got.Unix() != 1000 {
			t.Errorf("%v becomes %v", ns, got.Sub(time.Unix(1000, 0)))
		}
	}
}
