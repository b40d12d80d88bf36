package guard

import "nanofront/metrics"

// The figures.
const (
	Errors = "errors"
	P99    = "p99"
	Diff   = "diff"
)

// MaxRoutes is how many routes are told apart; what further ones bring is judged with all the others.
const MaxRoutes = 32

// Second is what a second brought, or a little more.
type Second struct {
	At     int64 // the second it ended in, of any clock
	Routes []Route
}

// Route is what it brought on one route.
type Route struct {
	Name     string
	Old, New []Block
}

// Block is what it brought at one place where trouble begins: an instance of the version, or a
// terminator.
type Block struct {
	Assigned uint64        // requests that were meant for the version
	Ended    uint64        // requests that are over, each either well or failed
	Failed   uint64        // of those
	Latency  metrics.Cells // how long it took until the answer, of those that have one
	Compared uint64        // answers that were held against the live ones
	Differ   uint64        // of those
}

// tally is the sum of what one place brought.
type tally struct {
	Block
	latency map[uint16]uint32 // Block.Latency isn't used
}

// arm is the tally of a version in a block that isn't over, by place.
type arm []tally

func (a *arm) add(list []Block) {
	for len(*a) < len(list) {
		*a = append(*a, tally{latency: make(map[uint16]uint32)})
	}
	for i, b := range list {
		t := &(*a)[i]
		t.Assigned += b.Assigned
		t.Ended += b.Ended
		t.Failed += min(b.Failed, b.Ended)
		t.Compared += b.Compared
		t.Differ += min(b.Differ, b.Compared)
		for _, c := range b.Latency {
			t.latency[c.Bucket] += c.N
		}
	}
}

// merge adds what another arm has.
func (a *arm) merge(b arm) {
	for i := range b {
		cells := make(metrics.Cells, 0, len(b[i].latency))
		for bucket, n := range b[i].latency {
			cells = append(cells, metrics.Cell{Bucket: bucket, N: n})
		}
		block := b[i].Block
		block.Latency = cells
		list := make([]Block, i+1)
		list[i] = block
		a.add(list)
	}
}

// Of a figure: how many requests tell of it, and how many of those are bad, in each place. A
// duration is bad above ms.
func (a arm) counts(figure string, ms float64, yield func(n, bad float64)) {
	for i := range a {
		t := &a[i]
		switch figure {
		case Errors:
			yield(float64(t.Ended), float64(t.Failed))
		case Diff:
			yield(float64(t.Compared), float64(t.Differ))
		default:
			var n, bad float64
			for bucket, count := range t.latency {
				n += float64(count)
				if (metrics.Cell{Bucket: bucket}).MS() > ms {
					bad += float64(count)
				}
			}
			yield(n, bad)
		}
	}
}

// rate is the share of requests that are bad, where no place has more than limit of its own, or one.
func (a arm) rate(figure string, ms, limit float64) (rate, n float64) {
	var bad float64
	a.counts(figure, ms, func(all, b float64) {
		n += all
		bad += min(b, max(1, limit*all))
	})
	if n == 0 {
		return 0, 0
	}
	return min(bad/n, limit), n
}

// p99 is the 99th percentile in ms, and of how many.
func (a arm) p99() (ms float64, n uint64) {
	m := metrics.NewMerged()
	for i := range a {
		for bucket, count := range a[i].latency {
			m.Add(metrics.Cells{{Bucket: bucket, N: count}})
		}
	}
	var out [1]float64
	m.Quantiles([]float64{0.99}, out[:])
	return out[0], m.Count()
}
