package balance

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
)

// pickServices are services of n instances with some requests under way, to
// be asked without key, without key by unequal weights, and by key.
func pickServices(n int) map[string]*service {
	services := make(map[string]*service)
	for _, how := range []string{"p2c", "weighted", "key"} {
		links := simLinks(n)
		for i, l := range links {
			l.inFlight.Store(int32(10 + i%3))
			if how == "weighted" {
				l.Weight = 50 + 50*(i%4)
			}
		}
		services[how] = simService(how == "key", links...)
	}
	return services
}

// BenchmarkPick is the choice of an instance and the two ends of its
// credit.
func BenchmarkPick(b *testing.B) {
	for _, how := range []string{"p2c", "weighted", "key"} {
		for _, n := range []int{1, 3, 16, 256} {
			b.Run(fmt.Sprintf("%s/instances=%d", how, n), func(b *testing.B) {
				s := pickServices(n)[how]
				key := uint64(0)
				b.ReportAllocs()
				for b.Loop() {
					if how == "key" {
						key++
					}
					l, err := s.pick(key, nil)
					if err != nil {
						b.Fatal(err)
					}
					l.Refund()
				}
			})
		}
	}
}

// BenchmarkKeyTable is what the table of slots is held against: a ring of 160
// points for each instance, and bidding for each key. overload is by how much
// the most loaded instance has more than its share.
func BenchmarkKeyTable(b *testing.B) {
	for _, n := range []int{3, 16, 256, 1024} {
		v := simService(true, simLinks(n)...).live
		lookups := map[string]func(h uint64) int{
			"slots":   func(h uint64) int { return int(v.keys.owner[h>>(64-keySlotBits)]) },
			"ring":    newRing(v.members).lookup,
			"bidding": func(h uint64) int { return bidding(v.members, h) },
		}
		for _, how := range []string{"slots", "ring", "bidding"} {
			b.Run(fmt.Sprintf("lookup=%s/instances=%d", how, n), func(b *testing.B) {
				lookup, key, sum := lookups[how], uint64(0), 0
				for b.Loop() {
					key++
					sum += lookup(mix(key))
				}
				if sum < 0 {
					b.Fatal(sum)
				}
				if how == "bidding" {
					return // even, but too slow to show it
				}
				got := make([]float64, n)
				for k := range uint64(5000 * n) {
					got[lookup(mix(k+1))]++
				}
				b.ReportMetric(slices.Max(got)/5000-1, "overload")
			})
		}
		b.Run(fmt.Sprintf("build=anew/instances=%d", n), func(b *testing.B) {
			for b.Loop() {
				newKeyTable(v.members, nil)
			}
		})
		b.Run(fmt.Sprintf("build=one-gone/instances=%d", n), func(b *testing.B) {
			for b.Loop() {
				newKeyTable(v.members[1:], v)
			}
		})
		b.Run(fmt.Sprintf("build=ring/instances=%d", n), func(b *testing.B) {
			for b.Loop() {
				newRing(v.members)
			}
		})
	}
}

type ringPoint struct {
	at uint64
	of int
}

type ring []ringPoint

func newRing(members []member) ring {
	const points = 160
	r := make(ring, 0, points*len(members))
	for i := range members {
		for p := range uint64(points) {
			r = append(r, ringPoint{mix(members[i].hash ^ mix(p*golden+golden)), i})
		}
	}
	slices.SortFunc(r, func(a, b ringPoint) int { return cmp.Compare(a.at, b.at) })
	return r
}

func (r ring) lookup(h uint64) int {
	i, _ := slices.BinarySearchFunc(r, h, func(p ringPoint, h uint64) int { return cmp.Compare(p.at, h) })
	if i == len(r) {
		i = 0
	}
	return r[i].of
}

func bidding(members []member, h uint64) int {
	best, least := 0, float32(math.MaxFloat32)
	for i := range members {
		if bid := members[i].bidFor(h, least); bid < least {
			best, least = i, bid
		}
	}
	return best
}
