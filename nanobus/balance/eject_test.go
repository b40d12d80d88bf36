package balance

import (
	"slices"
	"testing"
	"time"
)

var (
	wGood  = Window{Answers: 1000, P50: time.Millisecond}
	wSlow  = Window{Answers: 100, P50: 50 * time.Millisecond}
	wBad   = Window{Answers: 500, Faults: 500, P50: time.Millisecond}
	wFew   = Window{Faults: fewSamples - 1}
	wNone  = Window{}
	wOne   = Window{Answers: 999, Faults: 1, P50: time.Millisecond}
	wTiny  = Window{Answers: 1000, P50: 40 * time.Microsecond}
	wTenth = Window{Answers: 1000, P50: 400 * time.Microsecond}
)

// judged lets n instances with those windows, the rest good, be judged once, and returns who was
// ejected.
func judged(n int, windows ...Window) (out []int) {
	list := make([]*Standing, n)
	for i := range list {
		list[i] = new(Standing)
		if i >= len(windows) {
			windows = append(windows, wGood)
		}
	}
	Judge(list, windows)
	for i, s := range list {
		if s.Ejected() {
			out = append(out, i)
		}
	}
	return out
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name    string
		n       int
		windows []Window
		want    []int
	}{
		{"one, failing", 1, []Window{wBad}, nil},
		{"two, one fails", 2, []Window{wBad}, []int{0}},
		{"two, both fail", 2, []Window{wBad, wBad}, nil},
		{"two, one has nothing to do", 2, []Window{wBad, wNone}, nil},
		{"three, one fails", 3, []Window{wBad}, []int{0}},
		{"three, one is slow", 3, []Window{wGood, wSlow}, []int{1}},
		{"three, two are bad: only one goes", 3, []Window{wSlow, wBad}, []int{1}},
		{"three, all fail", 3, []Window{wBad, wBad, wBad}, nil},
		{"three, all are slow", 3, []Window{wSlow, wSlow, wSlow}, nil},
		{"three, a single failure among the perfect", 3, []Window{wOne}, nil},
		{"three, too few to say", 3, []Window{wFew}, nil},
		{"three, ten times slower, by less than a floor", 3, []Window{wTenth, wTiny, wTiny}, nil},
		{"ten, one fails", 10, []Window{wGood, wBad}, []int{1}},
		{"ten, five are slow: half of them", 10, []Window{wSlow, wSlow, wGood, wSlow, wSlow}, []int{0, 1, 3, 4}},
		{"ten, none", 10, nil, nil},
		{"none", 0, nil, nil},
	} {
		if got := judged(c.n, c.windows...); !slices.Equal(got, c.want) {
			t.Errorf("%s: ejected %v, want %v", c.name, got, c.want)
		}
	}
	for n := range 20 {
		bad := slices.Repeat([]Window{wBad}, n*2/5)
		if out := judged(n, bad...); len(out) > n/2 {
			t.Errorf("of %d instances %d were ejected", n, len(out))
		}
	}
}

// One that was ejected comes back in steps, and stays away for longer each time.
func TestJudge_ComesBackGradually(t *testing.T) {
	list := []*Standing{new(Standing), new(Standing), new(Standing)}
	look := func(w Window) int {
		Judge(list, []Window{w, wGood, wGood})
		return list[0].Share()
	}
	away := func() (n int) {
		for look(wNone) == shares[0] {
			n++
		}
		return n
	}
	if share := look(wBad); share != shares[0] {
		t.Fatalf("a share of %d %% after failing, want %d", share, shares[0])
	}
	first := away()
	var steps []int
	for range 4 {
		steps = append(steps, list[0].Share())
		look(wGood)
	}
	if !slices.Equal(steps, shares[1:]) {
		t.Errorf("it comes back by %v, want %v", steps, shares[1:])
	}
	look(wBad)
	if second := away(); second <= first {
		t.Errorf("away for %d looks, then for %d; want more", first, second)
	}
	if share := look(Window{Faults: fewProbes}); share != shares[0] {
		t.Errorf("a share of %d %% after it has failed on its way back, want %d", share, shares[0])
	}
}
