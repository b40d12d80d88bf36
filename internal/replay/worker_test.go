package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/recording"
)

// records is a Source in memory.
type records struct {
	list []recording.Record
	at   int
}

func (s *records) Next(r *recording.Record) error {
	if s.at == len(s.list) {
		return io.EOF
	}
	*r = s.list[s.at]
	s.at++
	return nil
}

func (s *records) Seek(at time.Time) error {
	s.at = 0
	if !at.IsZero() {
		for s.at < len(s.list) && s.list[s.at].At < at.UnixNano() {
			s.at++
		}
	}
	return nil
}

// recorded makes n records of GET /N, answered with 200 and "ok", at random distances that are 100 µs
// in the mean.
func recorded(n int) *records {
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	s := &records{}
	for i := range n {
		at += int64(rng.ExpFloat64() * 1e5)
		s.list = append(s.list, recording.Record{
			At: at, Hop: 1, Outcome: recording.Answered, Service: "web", Method: "GET", Host: "example.com", Path: fmt.Sprintf("/%d", i),
			Scheme: "http", RequestID: fmt.Sprintf("id-%d", i), Route: "pages",
			Answer: recording.Answer{Status: 200, Latency: time.Millisecond, Body: recording.Body{Size: 2}, Fields: []recording.Field{{Name: "content-type", Value: "text/plain;charset=utf-8"}}},
		})
	}
	return s
}

// simulated is a Sender whose clock goes only while it waits or sends. Each answer takes as long as
// service says.
type simulated struct {
	now     int64
	room    int
	service func(it *Item) int64
	report  Report
	flying  []Item
	sent    []int64
	due     []int64
	paths   []string
	most    int
}

func (s *simulated) Room() bool    { return len(s.flying) < s.room }
func (s *simulated) InFlight() int { return len(s.flying) }
func (s *simulated) Close()        {}

func (s *simulated) Send(it *Item) {
	s.now += 1000 // a write
	s.sent, s.due, s.paths = append(s.sent, s.now), append(s.due, it.Due), append(s.paths, it.Path)
	s.report.Sent(it, s.now)
	kept := *it
	kept.Due = s.now + s.service(it)
	s.flying = append(s.flying, kept)
	s.most = max(s.most, len(s.flying))
}

func (s *simulated) Wait(d time.Duration) error {
	until := s.now + int64(d)
	next := until
	for i := range s.flying {
		next = min(next, s.flying[i].Due)
	}
	s.now = max(s.now, next)
	s.flying = slices.DeleteFunc(s.flying, func(it Item) bool {
		if it.Due > s.now {
			return false
		}
		s.report.Ended(&it, &Answer{Sent: it.Due - 1, Done: s.now, Status: 200, Size: 2, Field: func(string) []byte { return []byte("text/plain; charset=utf-8") }})
		return true
	})
	return nil
}

// simulate replays on a simulated clock.
func simulate(t *testing.T, o Options, src *records, room int, service func(*Item) int64) (*simulated, *worker) {
	t.Helper()
	o.Source, o.Encode, o.Connections, o.Samples = src, HTTP, room, 3
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	l := newLane()
	f := newFeed(&o, []*lane{l})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { f.run(ctx); close(done) }()
	defer func() { stop(); <-done }()
	s := &simulated{room: room, service: service}
	w := newWorker(&o, l, func() int64 { return s.now }, new(atomic.Bool))
	w.sender, s.report = s, w.count
	// The feed's clock is a real one: the simulated one stands still while there is nothing to send.
	w.sender = fed{s, l}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	if f.err != nil {
		t.Fatal(f.err)
	}
	return s, w
}

// fed waits for the feed, in real time, before the simulated clock goes on.
type fed struct {
	*simulated
	l *lane
}

func (s fed) Wait(d time.Duration) error {
	for s.l.peek() == nil && !s.l.ended {
		runtime.Gosched()
	}
	if it := s.l.peek(); it != nil && len(s.flying) < s.room {
		d = min(d, time.Duration(max(0, it.Due-s.now)))
	}
	return s.simulated.Wait(d)
}

// Order and pace, with nothing real but the code: each request leaves at its time, to the µs that
// the writes before it take, and in its order, whatever the answers do.
func TestWorker_KeepsOrderAndPace(t *testing.T) {
	const n = 2000
	for _, speed := range []float64{1, 0.25, 3} {
		src := recorded(n)
		s, w := simulate(t, Options{Speed: speed, Loop: 2}, src, 1000, func(*Item) int64 { return 3e6 })
		if len(s.sent) != 2*n || w.count.late.TotalCount() != 2*n {
			t.Fatalf("speed %v: %d sent, %d measured, want %d", speed, len(s.sent), w.count.late.TotalCount(), 2*n)
		}
		begun := src.list[0].At
		for i := range s.sent {
			if want := fmt.Sprintf("/%d", i%n); s.paths[i] != want {
				t.Fatalf("speed %v: request %d is %s, want %s", speed, i, s.paths[i], want)
			}
			if want := int64(float64(src.list[i%n].At-begun) / speed); i < n && s.due[i] != want {
				t.Fatalf("speed %v: request %d is due at %d, want %d", speed, i, s.due[i], want)
			}
			if late := s.sent[i] - s.due[i]; late < 0 || late > 100_000 {
				t.Fatalf("speed %v: request %d was due at %d, and sent at %d", speed, i, s.due[i], s.sent[i])
			}
		}
		if r := w.count.routes[0]; r.Same != 2*n || r.Requests != 2*n || w.count.busy != 0 {
			t.Errorf("speed %v: %+v, %d late as there was no room", speed, r.Counts, w.count.busy)
		}
	}
}

// A stall of the target is no reason to send less, but connections are bounded, and what that costs
// is said.
func TestWorker_CountsWhatWaitsForAConnection(t *testing.T) {
	s, w := simulate(t, Options{Speed: 1}, recorded(5000), 10, func(it *Item) int64 {
		if it.Path == "/1000" || it.Path == "/1001" {
			return 1e9
		}
		return 5e6 // 10 connections do 2,000 a second, and 10,000 are due
	})
	if s.most != 10 {
		t.Errorf("%d at once, want 10", s.most)
	}
	late := time.Duration(w.count.late.ValueAtQuantile(99)) * time.Microsecond
	if w.count.busy < 4000 || late < time.Second {
		t.Errorf("%d waited for a connection, the latest 1 %% for %v: want most of them, over a second", w.count.busy, late)
	}
	if !slices.IsSorted(s.due) {
		t.Error("out of order")
	}
}

func TestWorker_FlatOut(t *testing.T) {
	s, w := simulate(t, Options{}, recorded(5000), 10, func(*Item) int64 { return 1e6 })
	if took := time.Duration(s.now); took > 600*time.Millisecond || len(s.sent) != 5000 {
		t.Errorf("%d sent in %v: 10 connections of 1 ms each are to take half a second", len(s.sent), took)
	}
	if w.count.late.TotalCount() != 0 {
		t.Error("flat out, nothing is due")
	}
}

func TestFeed_Chooses(t *testing.T) {
	src := recorded(100)
	at := func(i int) time.Time { return time.Unix(0, src.list[i].At) }
	src.list[10].Method = "POST"
	src.list[11].Method = "DELETE"
	src.list[12].Hop = 2
	src.list[13].Path = "/ HTTP/1.1\r\nX: y"
	src.list[14].Fields = []recording.Field{{Name: "a", Value: "b\r\nc: d"}}
	src.list[15].Service = "profile"
	s, _ := simulate(t, Options{Speed: 1, Loop: 2, Select: Select{From: at(10), Until: at(30), Hop: 1, Service: "web", Unsafe: []string{"POST"}}}, src, 10, func(*Item) int64 { return 1 })
	var want []string
	for range 2 {
		want = append(want, "/10")
		for i := 16; i < 30; i++ {
			want = append(want, fmt.Sprintf("/%d", i))
		}
	}
	if !slices.Equal(s.paths, want) {
		t.Errorf("sent %v, want %v", s.paths, want)
	}
}

func TestRun_SaysWhyThereIsNothing(t *testing.T) {
	for want, change := range map[string]func(*recording.Record){
		"3 requests have methods that change something": func(r *recording.Record) { r.Method = "PUT" },
		"3 requests are of another service or hop":      func(r *recording.Record) { r.Hop = 2 },
		"3 requests can't be sent as HTTP":              func(r *recording.Record) { r.Path = "x" },
		"no request was recorded in that time":          func(r *recording.Record) { r.At = 0 },
	} {
		src := recorded(3)
		from := time.Unix(0, src.list[0].At)
		for i := range src.list {
			change(&src.list[i])
		}
		_, err := Run(t.Context(), Options{Source: src, Speed: 1, Connections: 1, Encode: HTTP, Select: Select{Hop: 1, From: from}}, nil)
		if !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
