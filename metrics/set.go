package metrics

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"nanofront/internal/chores"
)

// MaxSeries is how many series (different details) one metric has at most. One more,
// whose details are "other", takes the rest.
const MaxSeries = 1000

// MaxProcessSeries is how many series all metrics of a process have together; beyond them a new one
// is "other", too.
const MaxProcessSeries = 20_000

// maxDetail is how many bytes of a detail are kept.
const maxDetail = 64

const otherDetail = "other"

// Set is the metrics of one program. All its methods may be called from any
// goroutine.
//
// A nil *Set and the zero Set count nowhere: what their methods return can be used as ever, nobody
// reports it, and their own report is empty. So a *Set that may be nil can be passed as a [Meter].
//
// Locks: windowMu, or goalsMu, before mu. No function of GaugeFunc is called under either.
type Set struct {
	program  string
	instance string
	start    time.Time
	startID  string
	overflow *Counter

	mu       sync.RWMutex
	families []map[string]*series // by Desc.index, then by the details
	count    int                  // of series, in all families

	goalsMu sync.Mutex
	goals   map[string]*Goals // by service, route and goals

	windowMu sync.Mutex
	marks    [windowMarks]time.Time
	marked   int // how many marks there were; the last is at (marked-1) % windowMarks
	scratch  *histogram
}

// series is one metric with its details.
type series struct {
	desc    *Desc
	name    string   // the placeholders filled
	details []string // by what

	// One of them, by the kind.
	counter *Counter
	gauge   *Gauge
	timer   *Timer
}

// New makes a Set for a program ("terminator") and the instance's name, which
// may be empty. It starts nothing; see [Set.Run].
func New(program, instance string) *Set {
	s := &Set{
		program:  program,
		instance: instance,
		start:    time.Now(),
		startID:  drawStartID(),
		families: make([]map[string]*series, len(catalogue)),
		goals:    make(map[string]*Goals),
		scratch:  newHistogram(),
	}
	s.marks[0], s.marked = s.start, 1
	s.overflow = s.Counter(MetricsOverflow)
	for _, d := range catalogue {
		if !slices.Contains(d.Programs, program) {
			continue
		}
		for _, detail := range d.Known {
			s.Counter(d, detail) // exists from now on
		}
	}
	return s
}

// Program is the program's name, as given to [New].
func (s *Set) Program() string {
	if s.nowhere() {
		return ""
	}
	return s.program
}

// Instance is the instance's name, as given to [New].
func (s *Set) Instance() string {
	if s.nowhere() {
		return ""
	}
	return s.instance
}

// Started is when [New] made the set.
func (s *Set) Started() time.Time {
	if s.nowhere() {
		return time.Time{}
	}
	return s.start
}

// StartID is drawn by [New]. A process that has another one than at the last look has started anew
// meanwhile, so that its counters and histograms began from 0.
func (s *Set) StartID() string {
	if s.nowhere() {
		return ""
	}
	return s.startID
}

// drawStartID makes ids of which two processes have the same with a probability of one in 2^64.
func drawStartID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// nowhere tells that [New] didn't make the set.
func (s *Set) nowhere() bool { return s == nil || s.families == nil }

// Counter returns the counter of d with the details that fill the placeholders
// of its name. The same d and details give the same handle. Characters of a
// detail other than letters, digits, '-' and '_' become '_', bytes beyond 64 are
// cut off, and an empty detail is "-".
//
// It panics if d is not a counter or needs another number of details.
func (s *Set) Counter(d *Desc, details ...string) *Counter {
	sr, _ := s.lookup(d, KindCounter, details)
	return sr.counter
}

// Gauge returns the gauge of d with its details, as [Set.Counter] does.
func (s *Set) Gauge(d *Desc, details ...string) *Gauge {
	sr, _ := s.lookup(d, KindGauge, details)
	return sr.gauge
}

// GaugeFunc makes fn the value of the gauge of d with its details, in place of
// what was set there. It is called for each report, possibly by several
// goroutines at once, and must neither block nor panic. Beyond [MaxSeries]
// it is not called at all.
func (s *Set) GaugeFunc(d *Desc, fn func() float64, details ...string) {
	sr, shared := s.lookup(d, KindGauge, details)
	if !shared { // one series' function can't speak for all the others
		sr.gauge.SetFunc(fn)
	}
}

// Timer returns the timer of d with its details, as [Set.Counter] does.
func (s *Set) Timer(d *Desc, details ...string) *Timer {
	sr, _ := s.lookup(d, KindTimer, details)
	return sr.timer
}

// lookup finds or makes a series; shared tells that it is the one for all
// that is beyond MaxSeries.
func (s *Set) lookup(d *Desc, kind Kind, details []string) (sr *series, shared bool) {
	if d.index >= len(catalogue) || catalogue[d.index] != d {
		panic(fmt.Sprintf("metrics: %q is not in the catalogue", d.Name))
	}
	if d.Kind != kind {
		panic(fmt.Sprintf("metrics: %s is a %s, not a %s", d.Name, d.Kind, kind))
	}
	if len(details) != d.Details() {
		panic(fmt.Sprintf("metrics: %s takes %d details, not %d: %q", d.Name, d.Details(), len(details), details))
	}
	key := cleanKey(details)
	if s.nowhere() {
		return newSeries(d, key), false
	}
	s.mu.RLock()
	sr = s.families[d.index][key]
	s.mu.RUnlock()
	if sr != nil {
		return sr, false
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	family := s.families[d.index]
	if sr = family[key]; sr != nil {
		return sr, false
	}
	if family == nil {
		family = make(map[string]*series)
		s.families[d.index] = family
	}
	if len(family) >= d.mostSeries() || d.Details() > 0 && s.count >= MaxProcessSeries {
		s.overflow.Inc()
		others := make([]string, len(details))
		for i := range others {
			others[i] = otherDetail
		}
		key, shared = cleanKey(others), true
		if sr = family[key]; sr != nil {
			return sr, true
		}
	}
	sr = newSeries(d, key)
	family[key] = sr
	s.count++
	return sr, shared
}

func newSeries(d *Desc, key string) *series {
	sr := &series{desc: d, name: d.Name}
	if d.Details() > 0 {
		sr.details = strings.Split(key, ".")
		sr.name = d.fill(sr.details)
	}
	switch d.Kind {
	case KindCounter:
		sr.counter = new(Counter)
	case KindGauge:
		sr.gauge = new(Gauge)
	case KindTimer:
		sr.timer = new(Timer)
	}
	return sr
}

// group is the service or route that the series is about, if any.
func (sr *series) group() string {
	for i, p := range sr.desc.placeholders {
		if p == "service" || p == "route" {
			return p + " " + sr.details[i]
		}
	}
	return ""
}

// cleanKey is the details as they appear in names, joined by dots, which no
// clean detail has.
func cleanKey(details []string) string {
	switch len(details) {
	case 0:
		return ""
	case 1:
		return clean(details[0])
	}
	cleaned := make([]string, len(details))
	for i, d := range details {
		cleaned[i] = clean(d)
	}
	return strings.Join(cleaned, ".")
}

// clean makes s a part of a name: what StatsD gives a meaning to (. : | @ / and
// space), and all else that isn't a letter, digit, '-' or '_', becomes '_'.
func clean(s string) string {
	if s == "" {
		return "-"
	}
	if len(s) > maxDetail {
		s = s[:maxDetail]
	}
	bad := func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	for i := range len(s) {
		if !bad(s[i]) {
			continue
		}
		b := []byte(s)
		for i, c := range b {
			if bad(c) {
				b[i] = '_'
			}
		}
		return string(b)
	}
	return s
}

// all is every series of the set, in the order of their names.
func (s *Set) all() []*series {
	s.mu.RLock()
	var list []*series
	for _, family := range s.families {
		for _, sr := range family {
			list = append(list, sr)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b *series) int { return cmp.Compare(a.name, b.name) })
	return list
}

// Run keeps the windows of the last 10 s moving until ctx is done. Call it once,
// in a goroutine of its own; without it, what is reported for the last 10 s is
// for all the time since the start.
func (s *Set) Run(ctx context.Context) {
	if s.nowhere() {
		<-ctx.Done()
		return
	}
	timer := time.NewTimer(chores.Next(markEvery))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			s.mark(now)
			timer.Reset(chores.Next(markEvery))
		}
	}
}
