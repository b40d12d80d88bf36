package load

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// planned returns all planned times of n workers, in order.
func planned(p *profile, a Arrivals, seed uint64, n int) []int64 {
	var all []int64
	for i := range n {
		for l := newPlanner(p, a, seed, i, n); l.next != never; l.advance() {
			all = append(all, l.next)
		}
	}
	slices.Sort(all)
	return all
}

func TestPlanner_Constant(t *testing.T) {
	for _, workers := range []int{1, 3} {
		p := newProfile([]Stage{{1000, 1000, 2 * time.Second}}, time.Second)
		got := planned(p, Constant, 1, workers)
		if len(got) != 3000 {
			t.Fatalf("%d workers plan %d requests, want 3000", workers, len(got))
		}
		for i, at := range got {
			if want := int64(i)*int64(time.Millisecond) - int64(time.Second); at < want-1 || at > want+1 {
				t.Fatalf("%d workers: request %d is planned for %d, want %d", workers, i, at, want)
			}
		}
	}
}

func TestPlanner_CountIsExactAtTheBounds(t *testing.T) {
	for _, rate := range []float64{1, 7, 333, 4999, 5000, 20_000, 50_000, 99_991} {
		for _, warmup := range []time.Duration{0, time.Second} {
			n := 0
			for _, at := range planned(newProfile([]Stage{{rate, rate, 3 * time.Second}}, warmup), Constant, 1, 1) {
				if at >= 0 && at < int64(3*time.Second) {
					n++
				}
			}
			if n != int(3*rate) {
				t.Errorf("%v/s for 3s after %v plans %d, want %v", rate, warmup, n, 3*rate)
			}
		}
	}
}

func TestPlanner_RampAndSteps(t *testing.T) {
	// 0 to 1000 in 2 s are 1000 requests, a quarter of them in the first half.
	p := newProfile([]Stage{{0, 1000, 2 * time.Second}, {200, 200, time.Second}, {100, 0, time.Second}}, time.Second)
	got := planned(p, Constant, 1, 2)
	count := func(from, to float64) (n int) {
		for _, at := range got {
			if s := float64(at) / 1e9; s >= from && s < to {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		from, to float64
		want     int
	}{{-1, 0, 0}, {0, 1, 250}, {1, 2, 750}, {2, 3, 200}, {3, 4, 50}, {4, 9, 0}} {
		if n := count(c.from, c.to); n < c.want-1 || n > c.want+1 {
			t.Errorf("%v to %v s: %d requests, want %d", c.from, c.to, n, c.want)
		}
	}
	if !slices.IsSorted(got) {
		t.Error("out of order")
	}
}

func TestPlanner_Poisson(t *testing.T) {
	p := newProfile([]Stage{{10_000, 10_000, 10 * time.Second}}, 0)
	got := planned(p, Poisson, 7, 3)
	if n := len(got); math.Abs(float64(n)-100_000) > 5*math.Sqrt(100_000) {
		t.Errorf("%d requests, want 100,000", n)
	}
	// Gaps are exponential: mean and deviation are equal.
	var sum, squares float64
	for i := 1; i < len(got); i++ {
		gap := float64(got[i] - got[i-1])
		sum += gap
		squares += gap * gap
	}
	n := float64(len(got) - 1)
	mean := sum / n
	if cv := math.Sqrt(squares/n-mean*mean) / mean; cv < 0.97 || cv > 1.03 {
		t.Errorf("deviation/mean of the gaps is %.3f, want 1", cv)
	}
	if !slices.Equal(got, planned(p, Poisson, 7, 3)) {
		t.Error("the same seed plans something else")
	}
	if slices.Equal(got, planned(p, Poisson, 8, 3)) {
		t.Error("another seed plans the same")
	}
}

func TestParseStages(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"50000", "[{50000 50000 10s}]"},
		{"100,200", "[{100 100 5s} {200 200 5s}]"},
		{"100..200@4s,50", "[{100 200 4s} {50 50 6s}]"},
		{"0.5@20s", "[{0.5 0.5 20s}]"},
	} {
		got, err := ParseStages(c.text, 10*time.Second)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%q gives %v, %v, want %s", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"":                         `"" is not a rate`,
		"x":                        `"x" is not a rate`,
		"1..":                      `"1.." is not a rate`,
		"10@x":                     `"x" is not a duration`,
		"10@-1s":                   `"-1s" is not a duration`,
		"10@10s,20":                "leaves nothing of the duration of 10s",
		"-1":                       "a rate of -1 requests per second: it must be from 0",
		"NaN":                      "a rate of NaN",
		"1e9":                      "a rate of 1e+09",
		"0":                        "the plan has not even one request",
		strings.Repeat("1,", 2000): "2001 stages: at most 1000",
	} {
		if _, err := ParseStages(text, 10*time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q gives %v, want %q", text, err, want)
		}
	}
}
