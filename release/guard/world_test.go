package guard

import (
	"math"
	"math/rand/v2"
	"sort"

	"nanofront/metrics"
)

// world is a system with a release, made up second by second. Requests depend on one another as
// real ones do: instances pause (then what came meanwhile is late, and, after a long pause, some of it
// fails), instances have spells of failures, overload makes all of them slow and fail at a time,
// clients who fail, fail again, and the load swings.
type world struct {
	rng    *rand.Rand
	rate   float64 // requests a second, usually
	errors float64 // share that fails
	tail   float64 // 0: exponential, else Pareto with this exponent
	routes []float64
	swing  float64 // of the load, as a logarithm

	more  float64 // share that fails at the new version, in addition
	slow  float64 // factor of all durations of the new version
	share float64 // of the new version
	from  int64   // second in which the fault begins

	// Whether a client's requests all go to one version.
	sticky bool
	crowd  []cranky // clients of all, where it isn't so

	instances [2][]place // old and new
	overload  int64      // until then
	now       int64
}

type place struct {
	pause  float64 // seconds of a pause that are left
	spell  int64   // failures until then
	cranky []cranky
}

// cranky is a client whose requests often fail, on whatever version.
type cranky struct {
	until int64
	rate  float64
}

func newWorld(seed uint64, rate float64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 17)), rate: rate, slow: 1}
	w.errors = []float64{0.0005, 0.001, 0.003, 0.01}[w.rng.IntN(4)]
	w.tail = []float64{0, 0, 3, 2}[w.rng.IntN(4)]
	w.routes = [][]float64{{1}, {0.7, 0.3}, {0.6, 0.3, 0.08, 0.02}}[w.rng.IntN(3)]
	w.sticky = w.rng.IntN(2) == 0
	w.instances[0] = make([]place, 4)
	w.instances[1] = make([]place, 1+w.rng.IntN(2))
	return w
}

// duration of a request, in ms.
func (w *world) duration() float64 {
	u := 1 - w.rng.Float64()
	if w.tail == 0 {
		return 2 - 5*math.Log(u)
	}
	return 5 * math.Pow(u, -1/w.tail)
}

func (w *world) second() Second {
	w.now++
	r := w.rng
	w.swing = 0.95*w.swing + 0.08*r.NormFloat64()
	if r.Float64() < 1.0/300 {
		w.overload = w.now + 2 + int64(r.IntN(8))
	}
	sec := Second{At: w.now, Routes: make([]Route, len(w.routes))}
	for i := range sec.Routes {
		sec.Routes[i].Name = string(rune('a' + i))
		sec.Routes[i].Old = make([]Block, len(w.instances[0]))
		sec.Routes[i].New = make([]Block, len(w.instances[1]))
	}
	total := w.rate * math.Exp(w.swing)
	if !w.sticky {
		w.crowd = w.fail(w.crowd, total, func() *Block {
			version := 0
			if r.Float64() < w.share {
				version = 1
			}
			i := r.IntN(len(w.instances[version]))
			if version == 0 {
				return &sec.Routes[0].Old[i]
			}
			return &sec.Routes[0].New[i]
		})
	}
	for version, share := range []float64{1 - w.share, w.share} {
		if share == 0 {
			continue
		}
		places := w.instances[version]
		for i := range places {
			w.place(&places[i], version, total*share/float64(len(places)), func(route int) *Block {
				if version == 0 {
					return &sec.Routes[route].Old[i]
				}
				return &sec.Routes[route].New[i]
			})
		}
	}
	return sec
}

func (w *world) place(p *place, version int, rate float64, block func(route int) *Block) {
	r := w.rng
	if p.pause == 0 && r.Float64() < 1.0/200 {
		p.pause = 0.05 + 0.4*r.ExpFloat64()
	}
	if r.Float64() < 1.0/400 {
		p.spell = w.now + 1 + int64(r.IntN(4))
	}
	paused, long := min(p.pause, 1), p.pause > 1
	p.pause = max(0, p.pause-1)
	fail, slow := w.errors, 1.0
	if w.now < p.spell {
		fail += 0.05
	}
	if w.now < w.overload {
		fail, slow = fail+0.03, 3
	}
	if version == 1 && w.now >= w.from {
		fail, slow = fail+w.more, slow*w.slow
	}
	n := w.poisson(rate)
	durations := make([][]float64, len(w.routes))
	for range n {
		route := w.pick()
		b := block(route)
		b.Assigned++
		b.Ended++
		late := r.Float64() < paused
		if r.Float64() < fail || late && long && r.Float64() < 0.3 {
			b.Failed++
			continue
		}
		d := slow * w.duration()
		if late {
			d += 1000 * paused * r.Float64()
		}
		durations[route] = append(durations[route], d)
	}
	if w.sticky {
		p.cranky = w.fail(p.cranky, rate, func() *Block { return block(0) })
	}
	for route, list := range durations {
		block(route).Latency = cells(list)
	}
}

// fail is what the cranky clients among those who make so many requests a second do: each asks
// once in some seconds, mostly, for some 20 s, and half of what it asks fails. A fifth of all failures
// is theirs.
func (w *world) fail(list []cranky, rate float64, block func() *Block) []cranky {
	r := w.rng
	for range w.poisson(rate * w.errors / 20) {
		list = append(list, cranky{w.now + int64(20*r.ExpFloat64()), min(0.5*r.ExpFloat64(), 3)})
	}
	left := list[:0]
	for _, c := range list {
		if w.now > c.until {
			continue
		}
		left = append(left, c)
		for range w.poisson(c.rate) {
			b := block()
			b.Assigned++
			b.Ended++
			if r.Float64() < 0.5 {
				b.Failed++
			}
		}
	}
	return left
}

func (w *world) pick() int {
	u := w.rng.Float64()
	for i, share := range w.routes {
		if u -= share; u < 0 {
			return i
		}
	}
	return 0
}

func (w *world) poisson(mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*w.rng.NormFloat64())))
	}
	k, p := 0, w.rng.Float64()
	for limit := math.Exp(-mean); p > limit; k++ {
		p *= w.rng.Float64()
	}
	return k
}

func cells(ms []float64) (c metrics.Cells) {
	sort.Float64s(ms)
	for _, d := range ms {
		one := metrics.Cells{}.Add(metrics.Bucket{d, 1})[0]
		if k := len(c) - 1; k >= 0 && c[k].Bucket == one.Bucket {
			c[k].N++
		} else {
			c = append(c, one)
		}
	}
	return c
}
