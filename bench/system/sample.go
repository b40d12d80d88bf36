package system

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"nanofront/bench/result"
	"nanofront/internal/process"
	"nanofront/metrics"
)

// Sample is the state of a system at one moment: what its processes have used, and what they have
// counted.
type Sample struct {
	at        time.Time
	machine   float64 // CPU seconds of everything on it; 0 if it doesn't tell
	processes []processSample
	reports   map[string]adminSample
}

type processSample struct {
	name, role string
	usage      process.Usage
}

type adminSample struct {
	role   string
	report metrics.Report
}

// Sample takes a sample. An admin port that doesn't answer is left out. It costs the system some
// milliseconds: take samples before and after a load, not during it.
func (s *System) Sample(ctx context.Context) *Sample {
	sample := &Sample{at: time.Now(), machine: process.MachineCPU(), reports: make(map[string]adminSample)}
	if s.Group != nil {
		for _, p := range s.Processes() {
			sample.processes = append(sample.processes, processSample{p.Name, p.Role, p.Usage()})
		}
	}
	for name, a := range s.Admins {
		body, err := ask(ctx, "http://"+a.Addr+"/metrics.json?buckets")
		if err != nil {
			continue
		}
		var r metrics.Report
		if json.Unmarshal(body, &r) == nil {
			sample.reports[name] = adminSample{a.Role, r}
		}
	}
	return sample
}

// ResetPeaks makes the peaks of memory begin anew.
func (s *System) ResetPeaks() {
	if s.Group == nil {
		return
	}
	for _, p := range s.Processes() {
		p.ResetPeak()
	}
}

// Since is what happened after a former sample.
func (s *Sample) Since(before *Sample) ([]result.Process, []result.Stage, map[string]float64) {
	used := make(map[string]process.Usage)
	for _, p := range before.processes {
		used[p.name] = p.usage
	}
	processes := make([]result.Process, 0, len(s.processes))
	for _, p := range s.processes {
		processes = append(processes, Used(p.name, p.role, p.usage.Since(used[p.name])))
	}
	d := difference{before: before.reports, after: s.reports}
	return processes, d.stages(), d.counters()
}

// Used is what a process used, as reports have it.
func Used(name, role string, u process.Usage) result.Process {
	return result.Process{
		Name: name, Role: role, CPUSeconds: u.CPU, CPUClock: u.Clock, PeakRSSBytes: u.PeakRSS,
		VoluntarySwitches: u.Voluntary, InvoluntarySwitches: u.Involuntary,
	}
}

// Others is the share of the machine's CPU time since a former sample, 0 to 1, that went to none of
// the processes named; 0 if that can't be told.
func (s *Sample) Others(before *Sample, processes []result.Process) float64 {
	all := s.at.Sub(before.at).Seconds() * float64(runtime.NumCPU())
	if s.machine == 0 || before.machine == 0 || all <= 0 {
		return 0
	}
	used := s.machine - before.machine
	for i := range processes {
		used -= processes[i].CPUSeconds
	}
	return min(max(used/all, 0), 1)
}

// difference is between the reports of two samples.
type difference struct{ before, after map[string]adminSample }

// same reports whether a name stood for the same process in both samples.
func (d difference) same(name string) bool {
	b, ok := d.before[name]
	return ok && b.report.Uptime <= d.after[name].report.Uptime
}

// names are the processes of a role, in a stable order.
func (d difference) names(role string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.after)) {
		if d.after[name].role == role {
			names = append(names, name)
		}
	}
	return names
}

// timer is the difference of a timer, over all processes of a role.
func (d difference) timer(role, timer string) distribution {
	counts := make(map[float64]float64)
	for _, name := range d.names(role) {
		for _, b := range d.after[name].report.Timers[timer].Buckets {
			counts[b[0]] += b[1]
		}
		if !d.same(name) {
			continue
		}
		for _, b := range d.before[name].report.Timers[timer].Buckets {
			counts[b[0]] -= b[1]
		}
	}
	return newDistribution(counts)
}

// counter is the difference of all counters with a prefix, over all processes of a role; "" for all
// roles.
func (d difference) counter(role, prefix string) float64 {
	var sum float64
	for name, a := range d.after {
		if role != "" && a.role != role {
			continue
		}
		for counter, v := range a.report.Counters {
			if counter != prefix && !(strings.HasSuffix(prefix, ".") && strings.HasPrefix(counter, prefix)) {
				continue
			}
			sum += float64(v.Value)
			if d.same(name) {
				sum -= float64(d.before[name].report.Counters[counter].Value)
			}
		}
	}
	return sum
}

// stages are the parts of a request's way: as the terminator times it, and, where there is one, the
// second hop.
func (d difference) stages() []result.Stage {
	back := RoleEcho
	if d.counter(RoleWeb, "requests") > d.counter(RoleEcho, "requests") {
		back = RoleWeb
	}
	hop := RoleTerminator + " → " + back
	second := back == RoleWeb && d.counter(RoleProfile, "requests") > 0
	work := "work in " + back
	if second {
		work += ", the next hop in it"
	}
	var stages []result.Stage
	add := func(hop, name string, t distribution) {
		if t.count > 0 {
			stages = append(stages, result.Stage{Hop: hop, Name: name, P50: t.quantile(0.5), P99: t.quantile(0.99), Mean: t.mean(), Count: uint64(t.count)})
		}
	}
	for _, s := range []struct{ timer, name string }{
		{"stage.read", "read the request"},
		{"stage.queue", "route, admit, choose"},
		{"stage.bus_out", "bus out: batch, wire, wait for a core"},
		{"stage.handler_queue", "wait for a worker in " + back},
		{"stage.handler", work},
		{"stage.bus_back", "bus back: batch, wire, wait for a core"},
		{"stage.write", "write the response"},
	} {
		add(hop, s.name, d.timer(RoleTerminator, s.timer))
	}
	if second {
		hop = RoleWeb + " → " + RoleProfile
		add(hop, "wait for a worker in profile", d.timer(RoleProfile, "queue"))
		add(hop, "work in profile", d.timer(RoleProfile, "service_time"))
	}
	return stages
}

// counters are what tells how it went: batches, and all that was lost or refused.
func (d difference) counters() map[string]float64 {
	if len(d.after) == 0 {
		return nil
	}
	c := make(map[string]float64)
	for _, role := range []string{RoleTerminator, RoleEcho, RoleWeb, RoleProfile} {
		if messages := d.counter(role, "bus.messages_out"); messages > 0 {
			c["frames per message out, "+role] = d.counter(role, "bus.frames_out") / messages
		}
		if batches := d.counter(role, "batches"); batches > 0 {
			c["requests per batch, "+role] = d.counter(role, "requests") / batches
		}
	}
	for _, one := range []struct{ name, counter string }{
		{"shed by admission", "http.shed"},
		{"refused for want of credit", "http.no_credit"},
		{"refused for want of an instance", "http.no_instance"},
		{"sent once more", "http.retries"},
		{"deadlines passed", "http.timeouts"},
		{"upstream errors", "http.upstream_errors"},
		{"handler errors", "errors"},
		{"panics", "panics"},
	} {
		c[one.name] = d.counter("", one.counter)
	}
	if read := d.timer(RoleProfile, "store.read_time"); read.count > 0 { // a part of profile's work, so not a stage
		c["store read, mean ms"], c["store read, p99 ms"] = read.mean(), read.quantile(0.99)
	}
	c["bus drops"] = d.counter("", "bus.dropped.")
	for _, a := range d.after {
		for counter := range a.report.Counters {
			if reason, ok := strings.CutPrefix(counter, "bus.dropped."); ok {
				if n := d.counter(a.role, counter); n > 0 {
					c[fmt.Sprintf("bus drops, %s at %s", reason, a.role)] = n
				}
			}
		}
	}
	return c
}

// distribution is durations in ms with their counts, ascending.
type distribution struct {
	durations, counts []float64
	count             float64
}

func newDistribution(counts map[float64]float64) distribution {
	var t distribution
	for _, ms := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[ms]; n > 0 {
			t.durations, t.counts, t.count = append(t.durations, ms), append(t.counts, n), t.count+n
		}
	}
	return t
}

// mean and quantile are of a distribution that isn't empty.
func (t distribution) mean() float64 { return stat.Mean(t.durations, t.counts) }

func (t distribution) quantile(q float64) float64 {
	return stat.Quantile(q, stat.Empirical, t.durations, t.counts)
}

// Gauges are those of the process behind an admin port.
func Gauges(ctx context.Context, addr string) (map[string]float64, error) {
	body, err := ask(ctx, "http://"+addr+"/metrics.json")
	if err != nil {
		return nil, err
	}
	var r metrics.Report
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%s/metrics.json: %w", addr, err)
	}
	return r.Gauges, nil
}

// Span is from the least to the most of durations.
type Span struct{ Least, Most time.Duration }

// Durations are the spans of all timers of the process behind an admin port.
func Durations(ctx context.Context, addr string) (map[string]Span, error) {
	body, err := ask(ctx, "http://"+addr+"/metrics.json?buckets")
	if err != nil {
		return nil, err
	}
	var r metrics.Report
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%s/metrics.json: %w", addr, err)
	}
	spans := make(map[string]Span)
	for name, t := range r.Timers {
		for i, b := range t.Buckets {
			d := time.Duration(b[0] * float64(time.Millisecond))
			s := spans[name]
			if i == 0 {
				s = Span{d, d}
			}
			spans[name] = Span{min(s.Least, d), max(s.Most, d)}
		}
	}
	return spans, nil
}

// RoleOf asks an admin port what role its process has: that of its program, or of its instance's
// name, as in web-1. It is "unknown" if it doesn't answer.
func RoleOf(ctx context.Context, addr string) string {
	body, err := ask(ctx, "http://"+addr+"/metrics.json")
	var r metrics.Report
	if err != nil || json.Unmarshal(body, &r) != nil {
		return "unknown"
	}
	for _, role := range []string{RoleEcho, RoleWeb, RoleProfile} {
		if strings.HasPrefix(r.Instance, role) {
			return role
		}
	}
	return r.Program
}
