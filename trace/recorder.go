package trace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/metrics"
)

const (
	// DefaultRing is how many records a process keeps for whoever asks.
	DefaultRing = 65_536
	// MaxRing is the most that it can be told to keep: about 160 bytes each.
	MaxRing = 1 << 22

	// maxKept is for how many traces a front asks in a second.
	maxKept = 500
	// queued is how many records, and how many asks, wait at most.
	queued = 4096
	// batch is how many spans are exported together.
	batch = 512
	// gather is for how long records gather before they are exported, and asks before they are
	// sent.
	gatherSpans = time.Second
	gatherAsks  = 50 * time.Millisecond
)

// Sink takes spans to a collector.
type Sink interface {
	// Export returns how many of them the collector has refused, or an error if it took none. It
	// returns when ctx ends.
	Export(ctx context.Context, spans []Span) (refused int, err error)
}

// Options are what a Recorder is made of.
type Options struct {
	Instance string // this process' name on the bus
	// Ring is how many records are kept for whoever asks. 0: none, as a front does.
	Ring int
	// Sink is where spans go; nil: nowhere.
	Sink    Sink
	Metrics metrics.Meter
	Logger  zerolog.Logger
}

// Bus is what a Recorder needs of the bus.
type Bus interface {
	// Now is a clock that runs as long as the process does.
	Now() time.Duration
	Publish(topic string, payload []byte) (int, error)
}

// Recorder is a process' part in tracing. Its methods may be called from any goroutine, and never
// block but for Close.
type Recorder struct {
	opts    Options
	ring    *ring
	wanted  wantedSet
	kept    *Rate
	records chan Record   // to be exported
	asks    chan Ask      // to be sent
	asked   chan []byte   // payloads that came
	stop    chan struct{} // closed by Close
	bus     Bus
	running sync.WaitGroup
	close   sync.Once
	offset  atomic.Int64 // of the clock against the bus', in ns
	synced  atomic.Int64 // bus time at which it was looked for
	metrics *recorderMetrics
}

// recorderMetrics balance: begun is exported, dropped, and what is on its way.
type recorderMetrics struct {
	begun, exported, incomplete                      *metrics.Counter
	full, failed, refused, shutdown                  *metrics.Counter
	keptSlow, keptFailed, limited, unasked, askedFor *metrics.Counter
}

// New makes a Recorder. It does nothing until Start.
func New(o Options) *Recorder {
	m := metrics.OrNone(o.Metrics)
	t := &Recorder{
		opts: o, kept: NewRate(maxKept), records: make(chan Record, queued), asks: make(chan Ask, queued), asked: make(chan []byte, 256),
		stop: make(chan struct{}),
		metrics: &recorderMetrics{
			begun: m.Counter(metrics.TraceSpans), exported: m.Counter(metrics.TraceExported), incomplete: m.Counter(metrics.TraceIncomplete),
			full: m.Counter(metrics.TraceDropped, "queue_full"), failed: m.Counter(metrics.TraceDropped, "failed"),
			refused: m.Counter(metrics.TraceDropped, "refused"), shutdown: m.Counter(metrics.TraceDropped, "shutdown"),
			keptSlow: m.Counter(metrics.TraceKept, "slow"), keptFailed: m.Counter(metrics.TraceKept, "failed"), askedFor: m.Counter(metrics.TraceKept, "asked"),
			limited: m.Counter(metrics.TraceNotKept, "limited"), unasked: m.Counter(metrics.TraceNotKept, "queue_full"),
		},
	}
	t.wanted.life = wantedFor
	if o.Ring > 0 {
		t.ring = newRing(o.Ring)
	}
	return t
}

// Start begins the work, on b. It ends with Close.
func (t *Recorder) Start(b Bus) {
	t.bus = b
	t.sync()
	t.running.Go(t.keep)
	t.running.Go(t.export)
}

// sync compares the clock with the bus'.
func (t *Recorder) sync() {
	now := t.bus.Now()
	best := time.Duration(1<<63 - 1)
	for range 3 { // whoever is interrupted in between is wrong by as much
		before := t.bus.Now()
		wall := time.Now().UnixNano()
		if after := t.bus.Now(); after-before < best {
			best = after - before
			t.offset.Store(wall - int64(before+after)/2)
		}
	}
	t.synced.Store(int64(now))
}

// Wall is a bus time as ns since 1970.
func (t *Recorder) Wall(at time.Duration) int64 { return t.offset.Load() + int64(at) }

// Add takes the record of a handler: it is exported if the trace is sampled or was asked for, and
// else kept for a while.
func (t *Recorder) Add(r *Record) {
	if r.Sampled {
		t.Export(r)
	}
	if t.ring == nil {
		return
	}
	s := t.ring.put(r, r.Sampled)
	if t.wanted.n.Load() == 0 {
		return
	}
	if w, ok := t.wanted.found(r.Trace); ok && s.claim(r.ID) {
		t.give(r, &w)
	}
}

// Export exports a record, whatever its trace.
func (t *Recorder) Export(r *Record) {
	n := uint64(r.spans())
	t.metrics.begun.Add(n)
	select {
	case t.records <- *r:
	default:
		t.metrics.full.Add(n)
	}
}

// Keep exports the front's record of a request that was slow or has failed, and asks all others for
// what they have of it. There is a limit on how many are kept in a second.
func (t *Recorder) Keep(r *Record, ask Ask) {
	if !t.kept.Take(t.bus.Now()) {
		t.metrics.limited.Inc()
		return
	}
	if r.Why == Slow {
		t.metrics.keptSlow.Inc()
	} else {
		t.metrics.keptFailed.Inc()
	}
	if r.Incomplete {
		t.metrics.incomplete.Inc()
	}
	t.Export(r)
	t.ask(ask)
}

func (t *Recorder) ask(a Ask) {
	select {
	case t.asks <- a:
	default:
		t.metrics.unasked.Inc()
	}
}

// Asked takes an event of TopicKeep. It keeps the payload.
func (t *Recorder) Asked(payload []byte) {
	select {
	case t.asked <- payload:
	default:
		t.metrics.unasked.Inc()
	}
}

// Close exports what is there, for a few seconds at most, and ends the work. Idempotent.
func (t *Recorder) Close() {
	t.close.Do(func() { close(t.stop) })
	t.running.Wait()
}

// keep sends asks, and answers those that come.
func (t *Recorder) keep() {
	var asks []Ask
	timer := time.NewTimer(0)
	defer timer.Stop()
	tick := time.NewTicker(time.Hour) // reset while there is something to forget
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case payload := <-t.asked:
			t.answer(parseAsks(payload))
			tick.Reset(t.wanted.life / 8)
		case <-tick.C:
			t.missing(t.wanted.forget(time.Now()))
			if t.wanted.n.Load() == 0 {
				tick.Reset(time.Hour)
			}
		case a := <-t.asks:
			asks = append(asks[:0], a)
			timer.Reset(gatherAsks)
			for gathering := true; gathering && len(asks) < maxAsks; {
				select {
				case a := <-t.asks:
					if gathering = a.Report == asks[0].Report; gathering {
						asks = append(asks, a)
						continue
					}
					t.publish(asks)
					asks, gathering = append(asks[:0], a), true
				case <-timer.C:
					gathering = false
				case <-t.stop:
					gathering = false
				}
			}
			t.publish(asks)
		}
	}
}

func (t *Recorder) publish(asks []Ask) {
	// What of it is dropped on the way, the bus counts (event_overflow).
	_, _ = t.bus.Publish(TopicKeep, appendAsks(nil, asks))
}

// export takes records to the sink.
func (t *Recorder) export() {
	ending, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.running.Go(func() { // bounds an export that is under way at the end
		select {
		case <-t.stop:
		case <-ending.Done():
			return
		}
		patience := time.NewTimer(flushTime)
		defer patience.Stop()
		select {
		case <-patience.C:
			cancel()
		case <-ending.Done():
		}
	})
	e := exporter{t: t, timer: time.NewTimer(0), ending: ending}
	defer e.timer.Stop()
	<-e.timer.C
	e.run()
}
