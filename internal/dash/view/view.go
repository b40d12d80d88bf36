// Package view is what is known of a system at one moment, as the live page, its diagnosis and
// tests see it. It is data alone: collect makes it, diagnose reads it and adds what is wrong, page
// sends it.
package view

import (
	"math"
	"strconv"
	"time"
)

// Num is a figure; one that isn't known is not a number, and null in JSON.
type Num float64

// Unknown is the figure that isn't known.
var Unknown = Num(math.NaN())

// Known reports whether the figure is.
func (n Num) Known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// Or is the figure, or other if it isn't known.
func (n Num) Or(other float64) float64 {
	if n.Known() {
		return float64(n)
	}
	return other
}

// MarshalJSON writes four significant digits.
func (n Num) MarshalJSON() ([]byte, error) {
	if !n.Known() {
		return []byte("null"), nil
	}
	return n.Append(nil), nil
}

// Append appends the figure as JSON.
func (n Num) Append(b []byte) []byte {
	switch v := float64(n); {
	case !n.Known():
		return append(b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.AppendInt(b, int64(v), 10)
	case math.Abs(v) >= 1000:
		return strconv.AppendFloat(b, v, 'f', 1, 64)
	default:
		return strconv.AppendFloat(b, v, 'g', 4, 64)
	}
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Unknown
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = Num(v)
	return err
}

// Level is how bad something is.
type Level string

// The levels. Nothing but harm to users is red; what is intended is no fault.
const (
	Normal   Level = "normal"
	Intended Level = "intended"
	Missing  Level = "unknown"
	Amber    Level = "amber"
	Red      Level = "red"
)

var ranks = map[Level]int{Normal: 0, Intended: 1, Missing: 2, Amber: 3, Red: 4}

// Worse reports whether l is worse than other.
func (l Level) Worse(other Level) bool { return ranks[l] > ranks[other] }

// Kinds of processes.
const (
	Front   = "terminator"
	Handler = "handler"
	Other   = "other"
)

// View is a system at one moment.
type View struct {
	Boot   string `json:"boot"` // of the collector: what another one knows may be less
	Seq    int64  `json:"seq"`  // the moment, in s since 1970
	AtMS   int64  `json:"at_ms"`
	System string `json:"system"`
	Etcd   Etcd   `json:"etcd"`
	Routes Routes `json:"routes"`

	Known   int      `json:"known"` // processes
	Heard   int      `json:"heard"`
	Unheard []string `json:"unheard"`

	Total     Total     `json:"total"`
	Services  []Service `json:"services"`
	Processes []Process `json:"processes"`
	Edges     []Edge    `json:"edges"`
	Events    []Event   `json:"events"` // newest first
	Slow      Slow      `json:"slow"`
	Releases  []Release `json:"releases"` // newest first
	Toggles   Toggles   `json:"toggles"`

	// What follows is from package diagnose.
	Level    Level     `json:"level"`
	Sentence string    `json:"sentence"`
	Problems []Problem `json:"problems"` // worst first
}

// Etcd is what is known of where instances and routes come from.
type Etcd struct {
	Used   bool   `json:"used"` // else a static table
	Away   bool   `json:"away"`
	Reason string `json:"reason,omitempty"`
	// Without is how many processes say that they don't reach it, of those asked.
	Without int `json:"without"`
	Asked   int `json:"asked"`
}

// Routes is the document in force, as the collector has it.
type Routes struct {
	Known    bool  `json:"known"`
	Revision int64 `json:"revision,omitempty"`
	Count    int   `json:"count"`
}

// Stages are the stages of a request at the front, in their order.
var Stages = []string{"read", "queue", "bus_out", "handler_queue", "handler", "bus_back", "write"}

// Parts are the parts of a request's time for one service.
var Parts = []string{"bus", "queue", "handler"}

// Figures are those of some traffic. Rates are a second's; shares are of 1; times are in ms, of the
// last 10 s.
type Figures struct {
	Rate     Num `json:"rate"`
	Failed   Num `json:"failed"` // a second: answered with 5xx, or not at all
	Errors   Num `json:"errors"` // share of Rate, of the last 3 s
	Shed     Num `json:"shed"`   // a second
	P50      Num `json:"p50"`
	P99      Num `json:"p99"`
	P999     Num `json:"p999"`
	Max      Num `json:"max"`
	Mean     Num `json:"mean"`
	InFlight Num `json:"in_flight"`
	Limit    Num `json:"limit"`
}

// Total is what all fronts together serve.
type Total struct {
	Figures
	Client     Num   `json:"client_errors"` // 4xx a second
	TurnedAway Num   `json:"turned_away"`   // a second: the front itself has too much to do
	Fronts     int   `json:"fronts"`        // heard
	Stages     []Num `json:"stages"`        // means in ms, in the order of Stages
	Usual      Usual `json:"usual"`
}

// Usual is what was normal lately: the median, and the middle four fifths.
type Usual struct {
	Rate, P99     Num   `json:"-"`
	RateLow       Num   `json:"rate_low"`
	RateHigh      Num   `json:"rate_high"`
	P99Low        Num   `json:"p99_low"`
	P99High       Num   `json:"p99_high"`
	InFlightLow   Num   `json:"in_flight_low"`
	InFlightHigh  Num   `json:"in_flight_high"`
	Mean          Num   `json:"mean"`
	Parts         []Num `json:"-"`
	PerStageMeans []Num `json:"stages,omitempty"`
}

// Service is one, as its traffic shows it.
type Service struct {
	Name   string   `json:"name"`
	Routed bool     `json:"routed"`
	Paths  []Path   `json:"paths"`
	Routes []string `json:"routes"`
	Level  Level    `json:"level"`
	Figures
	// Requests, Failures: of the last 3 s; of the last 10 s in Long...
	Requests     float64 `json:"requests_3s"`
	Failures     float64 `json:"failures_3s"`
	LongRequests float64 `json:"requests_10s"`
	LongFailures float64 `json:"failures_10s"`
	Sheds        float64 `json:"shed_3s"`

	TimesUsual Num    `json:"times_usual"` // how many times the usual p99 it is
	UsualP99   Num    `json:"usual_p99"`
	Grew       string `json:"grew,omitempty"` // the part that has grown most
	GrewTimes  Num    `json:"grew_times"`
	Parts      []Num  `json:"parts"` // means in ms, in the order of Parts
	Goal       Num    `json:"goal"`  // ms

	Live    int  `json:"live"`    // instances that a caller has a link to, or that answer
	Listed  int  `json:"listed"`  // instances that are registered
	Reached Num  `json:"reached"` // live links of the front that has fewest
	Stale   bool `json:"stale"`   // nobody who knows was heard
}

// Path is a route to a service: what it got, and what of it failed, a second.
type Path struct {
	Name   string `json:"name"`
	Rate   Num    `json:"rate"`
	Failed Num    `json:"failed"`
}

// Process is one process.
type Process struct {
	Key     string `json:"key"` // "web/web-1", "terminator/t-1"
	Kind    string `json:"kind"`
	Service string `json:"service,omitempty"`
	ID      string `json:"id"`
	Admin   string `json:"admin,omitempty"`
	Version string `json:"version,omitempty"`
	Host    string `json:"host,omitempty"`
	State   string `json:"state"` // see the constants
	Level   Level  `json:"level"`
	AgeS    Num    `json:"age_s"` // of its figures
	Uptime  Num    `json:"uptime_s"`
	Error   string `json:"error,omitempty"`
	Weight  int    `json:"weight"`
	Share   int    `json:"share"`   // in per cent; less: its callers send it less
	Stalled bool   `json:"stalled"` // its callers say that it is silent
	Links   int    `json:"links"`   // live ones to it
	Callers bool   `json:"from_callers,omitempty"`
	// Outrun is how many of its requests a second another instance answered first, as it took so long.
	Outrun float64 `json:"outrun_per_s,omitempty"`
	Figures
	Now         Num   `json:"mean_now"` // of the last 3 s
	Queue       Num   `json:"queue"`    // mean wait for a worker, ms
	CPU         Num   `json:"cpu"`      // cores
	Memory      Num   `json:"memory"`   // bytes
	LoopLag     Num   `json:"lag_p99"`  // ms, of a front
	EtcdAway    bool  `json:"etcd_away"`
	RestartedAt int64 `json:"restarted_ms,omitempty"`
	Restarts    int   `json:"restarts"`
	GoneAt      int64 `json:"gone_ms,omitempty"`
}

// States of a process.
const (
	Serving    = "serving"
	Draining   = "draining"
	TakenOut   = "taken out" // by its weight
	Registered = "registered"
	NotReady   = "not ready"
	Silent     = "silent" // not heard for 3 s
	Gone       = "gone"
	NoAdmin    = "no admin port"
)

// Edge is who talks to whom, by services; the fronts are one.
type Edge struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Rate    Num    `json:"rate"`
	Failed  Num    `json:"failed"`
	P99     Num    `json:"p99"`
	Links   int    `json:"links"`
	Down    int    `json:"down"`
	Stalled int    `json:"stalled"`
}

// Event is something that changed.
type Event struct {
	ID      int64  `json:"id"`
	AtMS    int64  `json:"at_ms"`
	Kind    string `json:"kind"` // restart, joined, left, gone, routes, link, limit, weight, drain, etcd, version, release, toggle
	Subject string `json:"subject"`
	Text    string `json:"text"`
	Level   Level  `json:"level"`
}

// Slow is where the slowest 1 % of the last 10 s spent their time, by what the fronts kept.
type Slow struct {
	Count  int       `json:"count"`
	From   Num       `json:"from_ms"`
	Stages []Num     `json:"stages"` // means, in the order of Stages
	By     []SlowBy  `json:"by"`
	Worst  []SlowOne `json:"worst"`
}

// SlowBy is a service's share of them.
type SlowBy struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Count    int    `json:"count"`
	Mean     Num    `json:"mean_ms"`
	Stage    string `json:"stage"`
}

// SlowOne is one of them.
type SlowOne struct {
	AtMS     int64  `json:"at_ms"`
	Total    Num    `json:"total_ms"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	ID       string `json:"request_id"`
	Stages   []Num  `json:"stages"`
}

// Problem is something that is wrong, or intended and worth knowing.
type Problem struct {
	Key     string  `json:"key"`
	Level   Level   `json:"level"`
	Service string  `json:"service,omitempty"`
	Process string  `json:"process,omitempty"` // the culprit, if it is one
	Text    string  `json:"text"`
	Cause   string  `json:"cause,omitempty"`
	SinceMS int64   `json:"since_ms"`
	Hit     float64 `json:"hit_per_s"`
	Runbook string  `json:"runbook,omitempty"`
	Command string  `json:"command,omitempty"`
}

// Time is a moment of the view.
func (v *View) Time() time.Time { return time.UnixMilli(v.AtMS) }
