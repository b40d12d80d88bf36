package exchange

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Slow is a request that was among the slowest, and where its time went.
type Slow struct {
	Seq       uint64     `json:"seq"`
	At        int64      `json:"at_ms"` // its end
	Service   string     `json:"service"`
	Instance  string     `json:"instance"`
	RequestID string     `json:"request_id"`
	Total     float64    `json:"total_ms"`
	Stages    [7]float64 `json:"stages_ms"` // read, queue, bus_out, handler_queue, handler, bus_back, write
}

// slowKept is how many of the latest slow requests are kept.
const slowKept = 1024

// slowRests is for how long slow requests are kept though nobody asks for them.
const slowRests = 30 * time.Second

// slowest keeps requests that took longer than nearly all lately. What that is, is set anew at each
// look, so that about one in a hundred is kept; none is until somebody has looked, nor once nobody
// has for slowRests. A request that isn't slow costs a load.
type slowest struct {
	above atomic.Int64 // ns
	asked atomic.Int64 // when somebody looked last, in ms since 1970

	mu       sync.Mutex
	ring     [slowKept]Slow
	n        uint64 // how many there were
	looked   bool
	lastN    uint64 // at the last look, as is
	requests uint64
}

// keep notes a request that ends now.
func (k *slowest) keep(x *Exchange, now time.Duration) {
	s := x.stagesUntil(now)
	if !s.reached || x.heldAt != 0 || x.streams || x.up == nil {
		return // it took what its body or its handler wanted it to take
	}
	const ms = float64(time.Millisecond)
	at := time.Now().UnixMilli()
	if at-k.asked.Load() > slowRests.Milliseconds() {
		k.rest(at)
		return
	}
	one := Slow{
		At: at, Service: x.up.service.Name(), Instance: x.instance, RequestID: string(x.requestID),
		Total: float64(now-x.began()) / ms,
	}
	for i, d := range []time.Duration{s.read, s.queue, s.busOut, s.handlerQueue, s.handler, s.busBack, s.write} {
		one.Stages[i] = float64(d) / ms
	}
	k.mu.Lock()
	k.n++
	one.Seq = k.n
	k.ring[k.n%slowKept] = one
	k.mu.Unlock()
}

// rest keeps no more requests until somebody looks again.
func (k *slowest) rest(now int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now-k.asked.Load() > slowRests.Milliseconds() { // nobody has looked meanwhile
		k.above.Store(math.MaxInt64)
		k.looked = false
	}
}

// Slow returns the slow requests after that one, oldest first, and sets what is slow from now on.
func (f *Front) Slow(after uint64) []Slow {
	k := &f.slow
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked.Store(time.Now().UnixMilli())
	requests := f.metrics.requests.Value()
	kept, of := k.n-k.lastN, requests-k.requests
	above := k.above.Load()
	switch {
	case !k.looked:
		k.looked = true
		above = int64(f.metrics.stageTotal.Distribution().P99 * 1e6)
	case kept*50 > of && kept > 20: // more than 2 %
		above += above/4 + 1000
	case kept*80 < of && above != math.MaxInt64: // less than 1.25 %
		above -= above / 5
	}
	k.above.Store(above)
	k.lastN, k.requests = k.n, requests
	if after > k.n {
		after = 0 // of an earlier process
	}
	list := []Slow{}
	for seq := max(after, k.n-min(k.n, slowKept)) + 1; seq <= k.n; seq++ {
		list = append(list, k.ring[seq%slowKept])
	}
	return list
}
