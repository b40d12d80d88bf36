package result

import "testing"

func TestSummary_Recovery(t *testing.T) {
	calm := Run{Round: 1, Latency: FromDigest(Digest{P99: 10}), Series: []Point{{At: 1, Rate: 100, P99: 9}, {At: 2, Rate: 99, Errors: 1, P99: 20}}}
	slow, refusing, silent := Point{Rate: 100, P99: 21}, Point{Rate: 90, Errors: 2, P99: 9}, Point{}
	good := Point{Rate: 100, Errors: 1, P99: 20}
	for name, c := range map[string]struct {
		after []Point
		took  float64
		never bool
	}{
		"at once":      {[]Point{good, slow}, 0, false},
		"slow":         {[]Point{slow, slow, good}, 2, false},
		"refusing":     {[]Point{refusing, good}, 1, false},
		"nobody there": {[]Point{silent, good}, 1, false},
		"never":        {[]Point{slow, refusing, slow}, 3, true},
	} {
		for i := range c.after {
			c.after[i].At = float64(i + 1)
		}
		s := &Summary{Runs: []*Run{{Round: 1, After: c.after}, {Round: 2, After: c.after}}}
		took, never := s.Recovery(&Summary{Runs: []*Run{&calm}})
		if took.N != 1 || took.Median != c.took || never != c.never {
			t.Errorf("%s: %+v, never %v; want %v, %v", name, took, never, c.took, c.never)
		}
	}
	if took, _ := (&Summary{Runs: []*Run{{Round: 1}}}).Recovery(&Summary{Runs: []*Run{&calm}}); took.N != 0 {
		t.Errorf("nothing was watched: %+v", took)
	}
}
