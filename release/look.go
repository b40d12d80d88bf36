package release

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"nanofront/internal/admin"
	"nanofront/metrics"
	"nanofront/registry"
	"nanofront/release/guard"
)

// Looker looks at terminators' admin ports.
type Looker struct {
	Processes func(context.Context) ([]registry.Process, error)

	known []registry.Process
	last  map[string]*metrics.Report
}

// Fronts is what all terminators said at one time.
type Fronts struct {
	At        time.Time
	Revisions map[string]int64  // on which they act, by terminator
	Silent    map[string]string // those that don't answer, and why
	now       map[string]*metrics.Report
	before    map[string]*metrics.Report
}

// Look asks all of them.
func (l *Looker) Look(ctx context.Context) *Fronts {
	if list, err := l.Processes(ctx); err == nil {
		l.known = slices.DeleteFunc(list, func(p registry.Process) bool { return p.Kind != registry.KindTerminator })
	}
	f := &Fronts{At: time.Now(), Revisions: make(map[string]int64), Silent: make(map[string]string), now: make(map[string]*metrics.Report), before: l.last}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range l.known {
		wg.Go(func() {
			var r metrics.Report
			err := admin.GetJSON(ctx, p.Admin, "/metrics.json?buckets", &r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.Silent[p.Name] = err.Error()
				return
			}
			f.now[p.Name] = &r
			f.Revisions[p.Name] = int64(max(r.Gauges["routes.revision"], 0))
		})
	}
	wg.Wait()
	last := maps.Clone(f.now)
	for name, r := range l.last { // one that was silent once says what has come since
		if last[name] == nil && f.Silent[name] != "" {
			last[name] = r
		}
	}
	l.last = last
	return f
}

// Behind are the terminators that don't act on the revision yet, or don't say so, sorted.
func (f *Fronts) Behind(rev int64) (list []string) {
	for name, r := range f.Revisions {
		if r < rev {
			list = append(list, name)
		}
	}
	list = append(list, slices.Collect(maps.Keys(f.Silent))...)
	slices.Sort(list)
	return list
}

// Any tells that somebody answered.
func (f *Fronts) Any() bool { return len(f.now) > 0 }

// second is what the last second brought of a release. Each terminator is a block.
func (f *Fronts) second(service, version string, old []string) guard.Second {
	r := guard.Route{Name: service}
	for _, name := range slices.Sorted(maps.Keys(f.now)) {
		now, was := f.now[name], f.before[name]
		if was == nil {
			continue // how long its counts are is unknown
		}
		if was.StartID != now.StartID {
			was = new(metrics.Report)
		}
		var sum guard.Block
		for _, v := range old {
			b := block(now, was, service, v)
			sum.Assigned += b.Assigned
			sum.Ended += b.Ended
			sum.Failed += b.Failed
			if sum.Latency == nil {
				sum.Latency = b.Latency
			} else {
				sum.Latency = add(sum.Latency, b.Latency)
			}
		}
		r.Old = append(r.Old, sum)
		r.New = append(r.New, block(now, was, service, version))
	}
	return guard.Second{At: f.At.Unix(), Routes: []guard.Route{r}}
}

// block is what one terminator counted of a version in between. What is refused for want of
// instances was asked of no version.
func block(now, was *metrics.Report, service, version string) guard.Block {
	of := func(d *metrics.Desc) uint64 {
		name := d.SeriesName(service, version)
		n, w := now.Counters[name].Value, was.Counters[name].Value
		return n - min(n, w)
	}
	b := guard.Block{Assigned: of(metrics.VersionAssigned), Failed: of(metrics.VersionFailed)}
	refused := of(metrics.VersionRefused)
	b.Ended = b.Assigned - min(b.Assigned, refused) // it is counted at its end
	name := metrics.VersionLatency.SeriesName(service, version)
	var n, w metrics.Cells
	for _, bucket := range now.Timers[name].Buckets {
		n = n.Add(bucket)
	}
	for _, bucket := range was.Timers[name].Buckets {
		w = w.Add(bucket)
	}
	b.Latency = n.Since(w, nil)
	return b
}

func add(a, b metrics.Cells) metrics.Cells {
	sum := append(slices.Clone(a), b...)
	slices.SortFunc(sum, func(x, y metrics.Cell) int { return int(x.Bucket) - int(y.Bucket) })
	out := sum[:0]
	for _, c := range sum {
		if k := len(out) - 1; k >= 0 && out[k].Bucket == c.Bucket {
			out[k].N += c.N
			continue
		}
		out = append(out, c)
	}
	return out
}
