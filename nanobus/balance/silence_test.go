package balance

import (
	"testing"
	"time"
)

const (
	testLook  = 10 * time.Millisecond
	testLimit = 200 * time.Millisecond
)

// silenceStep is what happens to some targets between two looks.
type silenceStep struct {
	looks  int
	speaks []bool
	under  []bool
	passed time.Duration // 0: testLook
}

// silent plays steps and returns which targets were found silent while another testified.
func silent(n int, steps []silenceStep) []int {
	targets, heard := make([]Silence, n), make([]int64, n)
	found := make([]int, n)
	now := int64(time.Second)
	for _, s := range steps {
		for range s.looks {
			passed := s.passed
			if passed == 0 {
				passed = testLook
			}
			now += int64(testLook)
			verdicts := make([]Verdict, n)
			for i := range targets {
				if s.speaks[i] {
					heard[i] = now - 1
				}
				verdicts[i] = targets[i].Look(now, heard[i], s.under[i], passed, testLimit)
			}
			for i, v := range verdicts {
				if v != Silent {
					continue
				}
				testified := false
				for j := range targets {
					testified = testified || j != i && targets[j].Testifies(&targets[i], now, testLimit)
				}
				if testified {
					found[i]++
				} else {
					targets[i].Again(now, testLimit)
				}
			}
		}
	}
	return found
}

func TestSilence(t *testing.T) {
	all, one := []bool{true, true, true}, []bool{false, true, true}
	none, rest := []bool{false, false, false}, []bool{true, false, false}
	for _, c := range []struct {
		name  string
		n     int
		steps []silenceStep
		want  []bool
	}{
		{"all speak", 3, []silenceStep{{looks: 100, speaks: all, under: all}}, none},
		{"one is silent", 3, []silenceStep{{looks: 10, speaks: all, under: all}, {looks: 30, speaks: one, under: all}}, rest},
		{"not for long enough", 3, []silenceStep{{looks: 10, speaks: all, under: all}, {looks: 18, speaks: one, under: all}, {looks: 50, speaks: all, under: all}}, none},
		{"nothing is under way there", 3, []silenceStep{{looks: 100, speaks: one, under: one}}, none},
		{"all are silent, and come back one by one", 3, []silenceStep{
			{looks: 10, speaks: all, under: all},
			{looks: 300, speaks: none, under: all},
			{looks: 5, speaks: rest, under: all},
			{looks: 5, speaks: []bool{true, true, false}, under: all},
			{looks: 100, speaks: all, under: all},
		}, none},
		{"all are silent, one comes back and stays alone", 3, []silenceStep{
			{looks: 10, speaks: all, under: all}, {looks: 100, speaks: none, under: all}, {looks: 100, speaks: rest, under: all},
		}, []bool{false, true, true}},
		{"we were stopped", 3, []silenceStep{
			{looks: 10, speaks: all, under: all},
			{looks: 1, speaks: none, under: all, passed: 100 * time.Millisecond},
			{looks: 10, speaks: none, under: all},
			{looks: 50, speaks: all, under: all},
		}, none},
		{"there is only one", 1, []silenceStep{{looks: 10, speaks: all, under: all}, {looks: 300, speaks: none, under: all}}, none},
		{"the other says nothing either", 2, []silenceStep{{looks: 10, speaks: all, under: all}, {looks: 300, speaks: none, under: rest}}, none},
		{"the other has nothing to do, but answers when asked", 2, []silenceStep{
			{looks: 10, speaks: all, under: all}, {looks: 11, speaks: none, under: rest}, {looks: 30, speaks: []bool{false, true}, under: rest},
		}, rest},
	} {
		got := silent(c.n, c.steps)
		for i := range got {
			if (got[i] > 0) != c.want[i] {
				t.Errorf("%s: found silent %v times, want %v", c.name, got, c.want[:c.n])
				break
			}
		}
	}
}
