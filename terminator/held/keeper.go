package held

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/internal/tasks"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/terminator/exchange"
	"nanofront/terminator/memory"
)

// Options is what a keeper is made of. All fields are required.
type Options struct {
	// Most is how many requests are held at most.
	Most int
	// Memory is what they take their memory from, beside what each takes anyway.
	Memory *memory.Budget
	// Now is bus time. It may be set after New, before anything is held.
	Now     func() time.Duration
	Metrics *metrics.Set
}

type (
	item = Item[*nanobus.Link, *exchange.Exchange]
	why  uint8
)

// Why something is held no longer.
const (
	answered why = iota
	timedOut
	clientLeft
	linkDown
	drained
	refused
)

var reasons = [...]string{
	answered: "answered", timedOut: "timed_out", clientLeft: "client_left", linkDown: "link_down", drained: "drained",
	refused: "refused",
}

// atOnce is how many exchanges are woken in a row by whoever brings their answers.
const atOnce = 32

// Keeper holds exchanges. It is the bus' nanobus.Holder and the front's exchange.Holder.
type Keeper struct {
	opt   Options
	table *Table[*nanobus.Link, *exchange.Exchange]
	ended [len(reasons)]*metrics.Counter

	ticking  atomic.Bool
	draining atomic.Bool
	tasks    tasks.Group
	once     sync.Once
	stop     chan struct{}

	mu      sync.Mutex
	queue   []woken
	waking  bool // somebody looks after the queue
	drained bool // Drain was called
}

// woken is an exchange that goes on.
type woken struct {
	item   *item
	why    why
	answer nanobus.HeldAnswer // kept, if it was answered
}

// New makes a keeper that holds nothing.
func New(o Options) *Keeper {
	k := &Keeper{opt: o, table: NewTable[*nanobus.Link, *exchange.Exchange](o.Most), stop: make(chan struct{})}
	for i, r := range reasons {
		k.ended[i] = o.Metrics.Counter(metrics.HTTPHeldEnded, r)
	}
	o.Metrics.GaugeFunc(metrics.HTTPHeld, func() float64 { return float64(k.table.Len()) })
	return k
}

// Clock sets Options.Now.
func (k *Keeper) Clock(now func() time.Duration) { k.opt.Now = now }

// Len is how many requests are held.
func (k *Keeper) Len() int { return k.table.Len() }

// Hold implements exchange.Holder.
func (k *Keeper) Hold(x *exchange.Exchange, h exchange.Hold) exchange.Verdict {
	switch {
	case k.draining.Load():
		k.ended[drained].Inc()
		return exchange.Ending
	case !k.opt.Memory.Take(h.Size, x.Owner()):
		k.ended[refused].Inc()
		return exchange.Full
	}
	i := &item{ID: h.ID, Owner: h.Link, Who: x, Size: h.Size}
	if !k.table.Add(i, k.opt.Now(), h.For) {
		k.opt.Memory.Give(h.Size, x.Owner())
		k.ended[refused].Inc()
		return exchange.Full
	}
	// It may have ended by now. What is asked here is for what came too early to find it.
	if h.Link.Down() {
		k.LinkDown(h.Link)
	}
	if k.draining.Load() {
		if i := k.table.Take(h.ID, h.Link); i != nil {
			k.wake([]woken{{item: i, why: drained}})
		}
	}
	if !k.ticking.Load() && k.ticking.CompareAndSwap(false, true) {
		k.tasks.Go(k.tick)
	}
	return exchange.Kept
}

// Abandon implements exchange.Holder.
func (k *Keeper) Abandon(call uint64) {
	if i := k.table.TakeID(call); i != nil {
		k.end(&woken{item: i, why: clientLeft})
	}
}

// Answered implements nanobus.Holder.
func (k *Keeper) Answered(batch []nanobus.HeldAnswer) {
	list := make([]woken, 0, len(batch))
	for j := range batch {
		a := &batch[j]
		if i := k.table.Take(a.ID, a.Link); i != nil { // else it has timed out, or its client has left
			list = append(list, woken{item: i, why: answered, answer: *a})
		}
	}
	k.wake(list)
}

// LinkDown implements nanobus.Holder.
func (k *Keeper) LinkDown(l *nanobus.Link) { k.wakeAll(k.table.TakeOwner(l), linkDown) }

func (k *Keeper) wakeAll(items []*item, w why) {
	list := make([]woken, len(items))
	for j, i := range items {
		list[j] = woken{item: i, why: w}
	}
	k.wake(list)
}

// wake ends what list has: here if that is little and nobody waits, else in its turn.
func (k *Keeper) wake(list []woken) {
	k.mu.Lock()
	if !k.waking && len(list) <= atOnce {
		k.mu.Unlock()
		for j := range list {
			k.end(&list[j])
		}
		return
	}
	for j := range list {
		if list[j].why == answered {
			list[j].answer.Keep()
		}
	}
	k.queue = append(k.queue, list...)
	start := !k.waking && len(k.queue) > 0
	k.waking = k.waking || start
	k.mu.Unlock()
	if start {
		k.tasks.Go(k.waker)
	}
}

// waker ends what is in the queue, and then itself.
func (k *Keeper) waker() {
	var list []woken
	for {
		k.mu.Lock()
		n := min(len(k.queue), atOnce)
		list = append(list[:0], k.queue[:n]...)
		clear(k.queue[:n])
		if k.queue = k.queue[n:]; len(k.queue) == 0 {
			k.queue = nil
		}
		k.waking = n > 0
		k.mu.Unlock()
		if n == 0 {
			return
		}
		for j := range list {
			k.end(&list[j])
			if list[j].why == answered {
				list[j].answer.Release()
			}
			list[j] = woken{}
		}
		runtime.Gosched()
	}
}

// end has an exchange go on. Its item is off the table.
func (k *Keeper) end(w *woken) {
	i := w.item
	k.opt.Memory.Give(i.Size, i.Who.Owner())
	k.ended[w.why].Inc()
	switch w.why {
	case answered:
		i.Who.Resume(&w.answer)
		return
	case linkDown:
	default:
		i.Owner.CancelHeld(i.ID)
	}
	if w.why == clientLeft {
		i.Who.Leave()
	} else {
		i.Who.TimeOut()
	}
}

// tick keeps the timeouts while there is anything held.
func (k *Keeper) tick() {
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-k.stop:
			return
		}
		k.wakeAll(k.table.TakeDue(k.opt.Now()), timedOut)
		if k.table.Len() > 0 {
			continue
		}
		k.ticking.Store(false)
		// What came in between has found somebody ticking.
		if k.table.Len() == 0 || !k.ticking.CompareAndSwap(false, true) {
			return
		}
	}
}
