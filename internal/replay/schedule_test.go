package replay

import (
	"slices"
	"testing"
)

func TestSchedule_Places(t *testing.T) {
	for _, c := range []struct {
		name         string
		speed, limit float64
		rounds       int
		at, want     []int64
	}{
		{"as recorded", 1, 0, 1, []int64{100, 150, 150, 400}, []int64{0, 50, 50, 300}},
		{"twice as fast", 2, 0, 1, []int64{100, 150, 400}, []int64{0, 25, 150}},
		{"half as fast", 0.5, 0, 1, []int64{100, 150, 400}, []int64{0, 100, 600}},
		{"never back", 1, 0, 1, []int64{100, 200, 150, 160, 210}, []int64{0, 100, 100, 100, 110}},
		{"before the first", 1, 0, 1, []int64{100, 40, 110}, []int64{0, 0, 10}},
		{"flat out", 0, 0, 2, []int64{100, 150}, []int64{0, 0, 0, 0}},
		// What the limit has put off is made up for in the pause after it.
		{"limited", 1, 1e7, 1, []int64{0, 0, 50, 260, 1000}, []int64{0, 100, 200, 300, 1000}},
		{"flat out, limited", 0, 1e7, 2, []int64{7, 7}, []int64{0, 100, 200, 300}},
		{"three times", 1, 0, 3, []int64{100, 150, 200}, []int64{0, 50, 100, 150, 200, 250, 300, 350, 400}},
		{"one, twice", 1, 0, 2, []int64{100}, []int64{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSchedule(c.speed, c.limit)
			var got []int64
			for round := range c.rounds {
				if round > 0 {
					s.again()
				}
				for _, at := range c.at {
					got = append(got, s.place(at))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
