package trace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeBus notes what is published.
type fakeBus struct {
	began time.Time
	mu    sync.Mutex
	sent  map[string][][]byte
}

func (b *fakeBus) Now() time.Duration { return time.Since(b.began) }

func (b *fakeBus) Publish(topic string, payload []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent == nil {
		b.sent = make(map[string][][]byte)
	}
	b.sent[topic] = append(b.sent[topic], slices.Clone(payload))
	return 1, nil
}

func (b *fakeBus) asks() (all []Ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.sent[TopicKeep] {
		all = append(all, parseAsks(p)...)
	}
	return all
}

// sink is a collector.
type sink struct {
	mu     sync.Mutex
	spans  []Span
	fails  bool
	refuse int
	block  chan struct{} // if not nil, waited for
}

func (s *sink) Export(ctx context.Context, spans []Span) (int, error) {
	s.mu.Lock()
	block, fails, refuse := s.block, s.fails, s.refuse
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if fails {
		return 0, errors.New("nobody is there")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, slices.Clone(spans)...)
	return min(refuse, len(spans)), nil
}

func (s *sink) names(id ID) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.spans {
		if sp.Trace == id {
			names = append(names, sp.Name)
		}
	}
	slices.Sort(names)
	return names
}

func start(t *testing.T, ring int, s Sink) (*Recorder, *fakeBus, *metrics.Set) {
	t.Helper()
	set := metrics.New(metrics.Handler, "h")
	r := New(Options{Instance: "me", Ring: ring, Sink: s, Metrics: set})
	bus := &fakeBus{began: time.Now()}
	r.Start(bus)
	t.Cleanup(r.Close)
	return r, bus, set
}

func served(id ID) *Record {
	return &Record{Trace: id, ID: NewSpanID(), Parent: NewSpanID(), Kind: Served, Name: "work", Method: "GET", Status: 200}
}

// What was asked for is exported, whenever it was recorded; all else isn't.
func TestRecorder_Asked(t *testing.T) {
	s := &sink{}
	r, bus, set := start(t, 100, s)
	early, late, other := NewID(), NewID(), NewID()
	call := &Record{Trace: early, ID: NewSpanID(), Kind: Called, Name: "store", Peer: "store-1"}
	call.PeerClock(5*time.Millisecond, true)
	r.Add(served(early))
	r.Add(call)
	r.Add(served(other))
	r.Asked(AskPayload(Ask{Trace: early, Instance: "me", Offset: 1000}, Ask{Trace: late, Offset: UnknownOffset}))
	testutil.Eventually(t, "the early one is found, and the store asked", func() bool { return len(bus.asks()) == 1 })
	if a := bus.asks()[0]; a.Trace != early || a.Span != call.ID || a.Instance != "store-1" || a.Offset != 6000 {
		t.Errorf("asked for %+v", a)
	}
	testutil.Eventually(t, "the late one is waited for", func() bool { return r.wanted.n.Load() == 2 })
	r.Add(served(late))
	// Asked once more, by others who heard of it: nothing twice.
	r.Asked(AskPayload(Ask{Trace: early, Offset: 1}, Ask{Trace: late, Instance: "me"}))
	want := []string{"GET work", "call store", "handler_queue"}
	testutil.Eventually(t, "both are exported", func() bool { return len(s.names(late)) == 2 && len(s.names(early)) == 3 })
	r.Close()
	if got := s.names(early); !slices.Equal(got, want) || len(s.names(late)) != 2 || len(s.names(other)) != 0 {
		t.Errorf("got %v, %v, %v", got, s.names(late), s.names(other))
	}
	if n := set.Counter(metrics.TraceKept, "asked").Value(); n != 2 {
		t.Errorf("%d kept", n)
	}
}

// What is sampled at the head is exported at once, and not once more when it is asked for.
func TestRecorder_Sampled(t *testing.T) {
	s := &sink{}
	r, _, _ := start(t, 100, s)
	one := served(NewID())
	one.Sampled = true
	r.Add(one)
	r.Asked(AskPayload(Ask{Trace: one.Trace, Instance: "me"}))
	testutil.Eventually(t, "it is exported", func() bool { return len(s.names(one.Trace)) > 0 })
	r.Close()
	if got := s.names(one.Trace); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

// Of a trace that the ring has no more, who was called for it says so.
func TestRecorder_Incomplete(t *testing.T) {
	s := &sink{}
	set := metrics.New(metrics.Handler, "h")
	r := New(Options{Instance: "me", Ring: 4, Sink: s, Metrics: set})
	r.wanted.life = 200 * time.Millisecond
	r.Start(&fakeBus{began: time.Now()})
	defer r.Close()
	lost, parent := NewID(), NewSpanID()
	r.Add(served(lost))
	for range 4 {
		r.Add(served(NewID()))
	}
	r.Asked(AskPayload(Ask{Trace: lost, Span: parent, Instance: "me"}, Ask{Trace: NewID(), Instance: "another"}))
	testutil.Eventually(t, "it is marked", func() bool { return slices.Equal(s.names(lost), []string{"lost"}) })
	s.mu.Lock()
	defer s.mu.Unlock()
	span := s.spans[0]
	if span.Parent != parent || len(span.Attributes) == 0 || span.Attributes[0].Key != "nanofront.incomplete" {
		t.Errorf("marked as %+v", span)
	}
	if n := set.Counter(metrics.TraceIncomplete).Value(); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// Whatever the collector does: spans that were to be exported are exported, or dropped for a
// reason.
func TestRecorder_BooksBalance(t *testing.T) {
	for name, s := range map[string]*sink{
		"well": {}, "away": {fails: true}, "refuses": {refuse: 3}, "hangs": {block: make(chan struct{})}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var to Sink
			if s != nil {
				to = s
			}
			r, _, set := start(t, 0, to)
			const adders, each = 4, 3000
			var adding sync.WaitGroup
			began := time.Now()
			for range adders {
				adding.Go(func() {
					for range each {
						one := served(NewID())
						one.Sampled = true
						r.Add(one)
					}
				})
			}
			adding.Wait()
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("recording took %v", took)
			}
			r.Close()
			value := func(d *metrics.Desc, details ...string) uint64 { return set.Counter(d, details...).Value() }
			begun, exported, dropped := value(metrics.TraceSpans), value(metrics.TraceExported), uint64(0)
			by := make(map[string]uint64)
			for _, why := range []string{"queue_full", "failed", "refused", "shutdown"} {
				by[why] = value(metrics.TraceDropped, why)
				dropped += by[why]
			}
			if begun != adders*each*2 || exported+dropped != begun {
				t.Errorf("%d begun, %d exported, dropped %v", begun, exported, by)
			}
			ok := map[string]bool{
				"well": exported > 0 && by["failed"]+by["refused"] == 0, "none": exported > 0, "refuses": by["refused"] > 0,
				"away": exported == 0 && by["failed"] > 0, "hangs": exported == 0 && by["queue_full"] > 0,
			}[name]
			if !ok {
				t.Errorf("%d exported, dropped %v", exported, by)
			}
		})
	}
}

// A front asks for so many in a second, and no more, for whatever many are slow.
func TestRecorder_KeepIsLimited(t *testing.T) {
	r, bus, set := start(t, 0, nil)
	for range 5 * maxKept {
		one := &Record{Trace: NewID(), ID: NewSpanID(), Kind: Front, Why: Slow}
		r.Keep(one, Ask{Trace: one.Trace})
	}
	kept, limited := set.Counter(metrics.TraceKept, "slow").Value(), set.Counter(metrics.TraceNotKept, "limited").Value()
	if kept+limited != 5*maxKept || kept < maxKept || kept > 4*maxKept {
		t.Errorf("%d kept, %d not", kept, limited)
	}
	testutil.Eventually(t, "they are asked for", func() bool { return uint64(len(bus.asks())) == kept })
}

// Recording allocates nothing, asked for or not.
func TestRecorder_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	r, _, _ := start(t, 1000, nil)
	one := served(NewID())
	if n := testing.AllocsPerRun(1000, func() { r.Add(one) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAsks_Payload(t *testing.T) {
	asks := []Ask{
		{Trace: NewID(), Span: NewSpanID(), Instance: "a-1", Offset: -5},
		{Trace: NewID(), Offset: UnknownOffset},
		{Trace: NewID(), Instance: strings.Repeat("x", 255), Offset: 1 << 40},
	}
	b := AskPayload(asks...)
	if got := parseAsks(b); !slices.Equal(got, asks) {
		t.Errorf("got %+v", got)
	}
	for i := range b {
		_ = parseAsks(b[:i]) // doesn't panic
	}
	report := AskPayload(Ask{Trace: NewID(), Report: true})
	if got := parseAsks(report); len(got) != 1 || !got[0].Report {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseAsks(f *testing.F) {
	f.Add(AskPayload(Ask{Trace: NewID(), Instance: "a"}, Ask{Trace: NewID()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		asks := parseAsks(b)
		if len(asks) > 0 && !slices.Equal(parseAsks(AskPayload(asks...)), asks) {
			t.Errorf("%x: %+v", b, asks)
		}
	})
}

// A front's record has a span for each of its stages, which add up to the whole, and one around
// what the handler does.
func TestRecord_FrontSpans(t *testing.T) {
	r := &Record{Trace: NewID(), ID: NewSpanID(), Call: NewSpanID(), Kind: Front, Method: "GET", Name: "/a", Start: 1_000_000, Reached: true, Peer: "work-1", Status: 200}
	for stage := range stageCount {
		r.Stage(stage, time.Duration(stage+1)*time.Millisecond)
	}
	spans := r.AppendSpans(nil)
	if len(spans) != r.spans() {
		t.Errorf("%d spans, but counted as %d", len(spans), r.spans())
	}
	root, at := spans[0], spans[0].Start
	seen := map[SpanID]bool{root.ID: true}
	for _, s := range spans[1:] {
		if s.Start != at || s.Parent != root.ID || s.Trace != root.Trace || seen[s.ID] {
			t.Errorf("%s: at %d, want %d, in %v", s.Name, s.Start, at, s.Parent)
		}
		at = s.End
		seen[s.ID] = true
		if s.Name == "bus" && s.ID != r.Call {
			t.Error("the handler's span has another parent")
		}
	}
	if at != root.End || root.End-root.Start != 36_000_000 {
		t.Errorf("the stages end at %d of %d to %d", at, root.Start, root.End)
	}
	for _, k := range []Kind{Served, Called, Inside} {
		r.Kind = k
		if spans := r.AppendSpans(nil); len(spans) != r.spans() {
			t.Errorf("kind %d: %d spans, but counted as %d", k, len(spans), r.spans())
		}
	}
}
