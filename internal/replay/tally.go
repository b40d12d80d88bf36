package replay

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms are in µs, up to 5 minutes.
const (
	highest     = 300_000_000
	digits      = 3
	routeDigits = 2 // there are many
)

// maxHows bounds how many kinds of differences of a route are told apart.
const maxHows = 64

// tally is what one worker counts. It is the Report of its Sender.
type tally struct {
	o    *Options
	hold *comparer

	late         *hdrhistogram.Histogram
	behind, busy uint64 // sent late as the feed was, and as there was no connection
	routes       []*routeTally

	// What the progress shows, read by others.
	nowSent, nowEnded, nowDiffer, nowFailed atomic.Uint64
}

// routeTally is what is counted of a route.
type routeTally struct {
	Counts
	hows      map[difference]uint64
	samples   []Sample
	then, now *hdrhistogram.Histogram
}

// Counts of requests.
type Counts struct {
	// Requests is how many there were, and Same + Differ + Unknown + Failed what became of them.
	Requests uint64 `json:"requests"`
	Same     uint64 `json:"same"`
	Differ   uint64 `json:"differ"`
	Unknown  uint64 `json:"unknown"` // answered, but no answer was recorded
	Failed   Causes `json:"-"`       // not answered
	// Refused is how many of Differ have 503 or 429 now.
	Refused uint64 `json:"refused"`
}

func (c *Counts) add(o *Counts) {
	c.Requests += o.Requests
	c.Same += o.Same
	c.Differ += o.Differ
	c.Unknown += o.Unknown
	c.Refused += o.Refused
	c.Failed.add(&o.Failed)
}

func newTally(o *Options) *tally {
	return &tally{o: o, hold: newComparer(o), late: hdrhistogram.New(1, highest, digits)}
}

// reason notes why a request is sent late.
func (t *tally) reason(starved, busy bool) {
	switch {
	case starved:
		t.behind++
	case busy:
		t.busy++
	}
}

func (t *tally) route(n int) *routeTally {
	for n >= len(t.routes) {
		t.routes = append(t.routes, nil)
	}
	if t.routes[n] == nil {
		t.routes[n] = &routeTally{
			hows: make(map[difference]uint64),
			then: hdrhistogram.New(1, highest, routeDigits), now: hdrhistogram.New(1, highest, routeDigits),
		}
	}
	return t.routes[n]
}

// Sent implements Report.
func (t *tally) Sent(it *Item, at int64) {
	t.nowSent.Add(1)
	if t.o.Speed > 0 {
		record(t.late, at-it.Due)
	}
}

// record records a time in ns.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(1, (ns+500)/1000), highest)) // within its bounds
}

// Ended implements Report.
func (t *tally) Ended(it *Item, a *Answer) {
	t.nowEnded.Add(1)
	r := t.route(it.route)
	r.Requests++
	if a.Cause != Answered {
		r.Failed[a.Cause]++
		t.nowFailed.Add(1)
		if a.Err != nil && a.Cause != Aborted && len(r.samples) < t.o.Samples {
			r.samples = append(r.samples, sample(it, a.Cause.String()+": "+a.Err.Error()))
		}
		return
	}
	if !it.Want.Answered {
		r.Unknown++
		return
	}
	found := t.hold.compare(it, a)
	if len(found) == 0 {
		r.Same++
		// Only what is the same took the same to answer.
		record(r.then, int64(it.Want.Latency))
		record(r.now, a.Done-a.Sent)
		return
	}
	r.Differ++
	t.nowDiffer.Add(1)
	if a.Status != it.Want.Status && (a.Status == 503 || a.Status == 429) {
		r.Refused++
	}
	for _, d := range found {
		if _, known := r.hows[d]; known || len(r.hows) < maxHows {
			r.hows[d]++
		}
	}
	if len(r.samples) < t.o.Samples {
		text := ""
		for i, d := range found {
			if i > 0 {
				text += ", "
			}
			text += t.hold.text(d, it, a)
		}
		r.samples = append(r.samples, sample(it, text))
	}
}

// Sample is a request whose answer was another one, or none.
type Sample struct {
	Method string `json:"method"`
	Target string `json:"target"`
	ID     string `json:"recorded_request_id,omitempty"`
	What   string `json:"what"`
}

func sample(it *Item, what string) Sample {
	target := it.Path
	if it.Query != "" {
		target += "?" + it.Query
	}
	return Sample{it.Method, target, it.ID, what}
}

// How is how answers differ, and how many.
type How struct {
	What  string `json:"what"`
	Count uint64 `json:"count"`
}

// Route is what came of the requests of one route.
type Route struct {
	Name string `json:"route"`
	Counts
	FailedBy map[string]uint64 `json:"failed"`
	Hows     []How             `json:"differences,omitempty"`
	Samples  []Sample          `json:"samples,omitempty"`
	// Then and Now are latencies of answers that are the same.
	Then *Latency `json:"latency_recorded,omitempty"`
	Now  *Latency `json:"latency_now,omitempty"`
}

// Latency in µs.
type Latency struct {
	P50 int64 `json:"p50_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}

func latencyOf(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	return &Latency{h.ValueAtQuantile(50), h.ValueAtQuantile(99), h.Max()}
}

// merged puts together what the workers have counted of each route, by name.
func merged(workers []*worker, names []string, o *Options) []Route {
	var routes []Route
	for n, name := range names {
		sum := &routeTally{}
		for _, w := range workers {
			if n < len(w.count.routes) && w.count.routes[n] != nil {
				sum.add(w.count.routes[n], o.Samples)
			}
		}
		if sum.Requests == 0 {
			continue
		}
		r := Route{
			Name: name, Counts: sum.Counts, FailedBy: sum.Failed.Map(), Samples: sum.samples,
			Then: latencyOf(sum.then), Now: latencyOf(sum.now),
		}
		for d, count := range sum.hows {
			r.Hows = append(r.Hows, How{d.name(o.fields), count})
		}
		slices.SortFunc(r.Hows, func(a, b How) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What))
		})
		routes = append(routes, r)
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Compare(a.Name, b.Name) })
	return routes
}

func (r *routeTally) add(o *routeTally, samples int) {
	if r.hows == nil {
		r.Counts, r.hows, r.then, r.now = o.Counts, maps.Clone(o.hows), o.then, o.now
		r.samples = slices.Clone(o.samples)
		return
	}
	r.Counts.add(&o.Counts)
	for d, n := range o.hows {
		r.hows[d] += n
	}
	r.samples = append(r.samples, o.samples[:min(len(o.samples), max(0, samples-len(r.samples)))]...)
	r.then.Merge(o.then)
	r.now.Merge(o.now)
}
