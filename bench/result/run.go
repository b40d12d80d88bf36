package result

import "time"

// What a [Run].Loop may be.
const (
	// Open is a loop whose requests leave at planned times, whatever the answers do. Latency
	// counts from the planned time.
	Open = "open"
	// Closed is a loop in which each connection waits for its answer before it sends again.
	Closed = "closed"
	// Idle is no load at all: what a system uses that nobody asks.
	Idle = "idle"
)

// Subjects by their names in reports.
const (
	Nanofront = "nanofront"
	// Plain is what all others are held against: a fasthttp server that answers by itself.
	Plain = "plain fasthttp"
)

// Scenarios of which a report draws a plot of their own.
const (
	// ScenarioCurve offers rising rates until the system can't follow.
	ScenarioCurve = "curve"
	// ScenarioOverload offers multiples of what the system can take, ScenarioOverloadHandlers of
	// what its handlers can.
	ScenarioOverload         = "overload"
	ScenarioOverloadHandlers = "overload-handlers"
	// ScenarioCost has rates far below what the subjects can do, and none.
	ScenarioCost = "cost"
)

// Run is one load on one subject, in one round.
type Run struct {
	// Scenario is what was asked for: "hello", "profile", …
	Scenario string `json:"scenario"`
	// Subject is who answered: [Nanofront], [Plain], "nginx", …
	Subject string `json:"subject"`
	// Driver is who asked: "bench", "wrk", "weighttp", "h2load".
	Driver string `json:"driver"`
	// Loop is [Open], [Closed] or [Idle].
	Loop string `json:"loop"`
	// Round counts from 1. Runs of the same round are neighbours in time.
	Round int `json:"round"`
	// Step names the part of a scenario that has several: "50000/s", "2x knee". Empty if it has
	// one.
	Step string `json:"step,omitempty"`

	// OfferedRate is planned requests per second; 0 in a closed loop.
	OfferedRate float64 `json:"offered_rate,omitempty"`
	// Connections is how many there were at once, at most; 0 if not known.
	Connections int `json:"connections,omitempty"`
	// Duration is what was counted, without the warm-up.
	Duration time.Duration `json:"duration_ns"`

	// Planned requests are those that should have left; in a closed loop, those that did.
	Planned uint64 `json:"planned"`
	// Sent requests left, whether on time or not.
	Sent uint64 `json:"sent"`
	// SentLate is how many of Sent left later than planned by more than the generator allows
	// itself.
	SentLate uint64 `json:"sent_late,omitempty"`
	// NotSent is how many of Planned never left: the run was over before a connection was free.
	NotSent uint64 `json:"not_sent,omitempty"`
	// Completed requests got a whole response, of whatever status.
	Completed uint64 `json:"completed"`
	// Failed counts what didn't succeed, by reason: "connect", "reset", "timeout", "status",
	// "body", … A response with an unexpected status is in Completed, and here.
	Failed map[string]uint64 `json:"failed,omitempty"`
	// Statuses counts responses by status: "200", "503".
	Statuses map[string]uint64 `json:"statuses,omitempty"`
	BytesIn  uint64            `json:"bytes_in,omitempty"`
	BytesOut uint64            `json:"bytes_out,omitempty"`

	// Rate is requests that succeeded per second of Duration.
	Rate float64 `json:"rate"`
	// Latency of what succeeded is from the planned time in an open loop, and from sending in a
	// closed one.
	Latency Histogram `json:"latency,omitzero"`
	// Service is from sending, always. Empty if the driver doesn't tell.
	Service Histogram `json:"service,omitzero"`
	// Delay is how long after the planned time a request left. Empty in a closed loop, and if the
	// driver doesn't tell.
	Delay Histogram `json:"delay,omitzero"`

	// Refusal is from sending, of what was turned away with 503 or 429. Empty if the driver doesn't
	// tell.
	Refusal Histogram `json:"refusal,omitzero"`

	// Entries are the parts of a mix of requests, if there are several.
	Entries []Entry `json:"entries,omitempty"`
	Series  []Point `json:"series,omitempty"`
	// After is what came when an overload had ended: at the rate of the least step, from the end of
	// what is counted.
	After     []Point   `json:"after,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	// Calls are the system calls, where the scenario has them counted.
	Calls *Calls `json:"calls,omitempty"`
	// CPUOthers is the share of the machine's CPU time, 0 to 1, that went to programs which are
	// none of Processes, and to other virtual machines. 0 too if that isn't known.
	CPUOthers float64 `json:"cpu_others,omitempty"`
	Stages    []Stage `json:"stages,omitempty"`
	// Counters are what the system counted of itself meanwhile: drops, sheds, frames per message.
	Counters map[string]float64 `json:"counters,omitempty"`
	Events   []Event            `json:"events,omitempty"`
}

// Entry is one kind of request of a mix.
type Entry struct {
	Name    string            `json:"name"`
	Sent    uint64            `json:"sent"`
	OK      uint64            `json:"ok"`
	Failed  map[string]uint64 `json:"failed,omitempty"`
	Latency Histogram         `json:"latency,omitzero"`
}

// Point is one interval of a run, usually a second.
type Point struct {
	// At is the end of the interval in seconds from the start of what is counted.
	At float64 `json:"at"`
	// Offered and Rate are requests per second, planned and succeeded.
	Offered float64 `json:"offered,omitempty"`
	Rate    float64 `json:"rate"`
	// Errors is failed requests per second.
	Errors float64 `json:"errors,omitempty"`
	// P50 and P99 are latencies in milliseconds; 0 if nothing was answered.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// Process is what one process used during a run.
type Process struct {
	Name string `json:"name"`
	// Role is what it is there for: "terminator", "web", "load generator". Processes of the same
	// role are added up where CPU per request is shown.
	Role       string  `json:"role,omitempty"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// CPUClock says what CPUSeconds was counted by: "scheduler", which is exact, or "ticks", which
	// are of 10 ms and alias with a load that is paced. Empty if that isn't known.
	CPUClock            string `json:"cpu_clock,omitempty"`
	PeakRSSBytes        int64  `json:"peak_rss_bytes,omitempty"`
	VoluntarySwitches   int64  `json:"voluntary_switches,omitempty"`
	InvoluntarySwitches int64  `json:"involuntary_switches,omitempty"`
}

// RoleLoad is the role of the process that makes the load. Its CPU isn't the subject's.
const RoleLoad = "load generator"

// Stage is one part of a request's way, as the system itself timed it.
type Stage struct {
	// Hop names the stretch: "terminator → web". Stages of one hop follow each other in time.
	Hop   string  `json:"hop"`
	Name  string  `json:"name"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Mean  float64 `json:"mean_ms"`
	Count uint64  `json:"count,omitempty"`
}

// Event is something that was done to the system, or happened to it, during a run.
type Event struct {
	// At is in seconds from the start of what is counted.
	At   float64 `json:"at"`
	Text string  `json:"text"`
}

// Failures is how many requests failed, for any reason.
func (r *Run) Failures() uint64 {
	var n uint64
	for _, c := range r.Failed {
		n += c
	}
	return n
}

// Refused is how many were turned away with a word: 503 or 429. They are a part of Failures where
// the scenario expects another status.
func (r *Run) Refused() uint64 { return r.Statuses["503"] + r.Statuses["429"] }

// Broken is how many failed without being refused, or were never sent.
func (r *Run) Broken() uint64 {
	failed, refused := r.Failures(), r.Refused()
	return failed - min(failed, refused) + r.NotSent
}

// Succeeded is how many requests succeeded, by Rate and Duration.
func (r *Run) Succeeded() float64 { return r.Rate * r.Duration.Seconds() }

// CPUPerRequest is the microseconds of CPU that the subject's processes used for each request that
// succeeded, the load generator's not among them; 0 if that isn't known.
func (r *Run) CPUPerRequest() float64 {
	var cpu float64
	for i := range r.Processes {
		if r.Processes[i].Role != RoleLoad {
			cpu += r.Processes[i].CPUSeconds
		}
	}
	return r.perRequest(cpu)
}

// CPUPerRequestByRole is the same by role, the load generator's too.
func (r *Run) CPUPerRequestByRole() map[string]float64 {
	if len(r.Processes) == 0 || r.Succeeded() == 0 {
		return nil
	}
	by := make(map[string]float64, len(r.Processes))
	for i := range r.Processes {
		by[r.Processes[i].role()] += r.perRequest(r.Processes[i].CPUSeconds)
	}
	return by
}

func (r *Run) perRequest(cpuSeconds float64) float64 {
	n := r.Succeeded()
	if n == 0 {
		return 0
	}
	return cpuSeconds * 1e6 / n
}

func (p *Process) role() string {
	if p.Role != "" {
		return p.Role
	}
	return p.Name
}
