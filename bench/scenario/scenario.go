package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"nanofront/bench/drivers"
	"nanofront/bench/load"
	"nanofront/bench/peers"
	"nanofront/bench/result"
)

// Bounds of a scenario.
const (
	MaxFile      = 1 << 20 // bytes
	MaxRounds    = 100
	MaxSteps     = 100
	MaxHandlers  = 32
	MaxDuration  = 7 * 24 * time.Hour
	MaxFactor    = 1000
	MaxWorkers   = 4096
	minDuration  = 100 * time.Millisecond
	defaultWarm  = time.Second
	defaultLimit = time.Second
)

// SubjectNanofront is what files call nanofront; the others are keys of [peers.All].
const SubjectNanofront = "nanofront"

// ErrScenario is wrapped by errors about what a file says.
var ErrScenario = errors.New("scenario")

// Scenario says what to start, what to ask, and how to load.
type Scenario struct {
	// Name is that of the file.
	Name string `yaml:"-"`
	// Title in a few words, About in some sentences.
	Title string `yaml:"title"`
	About string `yaml:"about"`
	// System is what of nanofront is started.
	System Programs `yaml:"system"`
	// Subjects are measured in turns: "nanofront", and keys of peers.
	Subjects []string `yaml:"subjects"`
	// Requests are what is sent, see [load.Request].
	Requests []load.Request `yaml:"requests"`
	// Rounds of the whole. 0 means 1.
	Rounds int `yaml:"rounds"`
	// Warmup before each step. 0 means a second.
	Warmup time.Duration `yaml:"warmup"`
	// Timeout of a request. 0 means a second.
	Timeout time.Duration `yaml:"timeout"`
	// Connections of an open loop, at most. 0 means 1024.
	Connections int `yaml:"connections"`
	// Calls is how long system calls are counted after each step, in a further load of the same
	// rate. 0 means that they aren't.
	Calls time.Duration `yaml:"calls"`
	// Churn opens a connection for each request.
	Churn bool `yaml:"churn"`
	// Arrivals of an open loop, "constant" or "poisson". Empty means constant.
	Arrivals load.Arrivals `yaml:"arrivals"`
	// Driver of closed loops: "bench", "wrk", "h2load", "weighttp". Empty means wrk if it is
	// installed.
	Driver string `yaml:"driver"`
	// Steps are run one after the other.
	Steps []Step `yaml:"steps"`
	// Curve finds the knee; with Overload it is only used if what the system can do isn't known.
	Curve *Curve `yaml:"curve"`
	// Overload offers multiples of what the system can do.
	Overload *Overload `yaml:"overload"`
	// Disturb is done to nanofront meanwhile.
	Disturb *Disturb `yaml:"disturb"`
}

// Programs are how many handlers of each role there are beside the terminator.
type Programs struct {
	Echo    int `yaml:"echo"`
	Web     int `yaml:"web"`
	Profile int `yaml:"profile"`
	// Workers of each echo. 0 means the program's own. Peers have as many as all echoes together.
	Workers int `yaml:"workers"`
}

// Step is one load, closed or open, or none.
type Step struct {
	// Idle has nobody ask: what do the processes use that only wait?
	Idle bool `yaml:"idle"`
	// Closed is the number of connections that send as soon as they have their answer.
	Closed int `yaml:"closed"`
	// Rate is planned requests per second.
	Rate float64 `yaml:"rate"`
	// Duration of what is counted.
	Duration time.Duration `yaml:"duration"`
	// after is how long the load goes on at afterRate, to see the system recover; requests that
	// find no connection within the time limit, or until that, are then given up.
	after     time.Duration
	afterRate float64
	// name is what reports call it. Empty for a closed loop.
	name string
}

// Curve raises the rate until it isn't followed.
type Curve struct {
	From float64 `yaml:"from"`
	By   float64 `yaml:"by"`
	To   float64 `yaml:"to"`
	// Refine is how often the interval that the knee is in is halved.
	Refine   int           `yaml:"refine"`
	Duration time.Duration `yaml:"duration"`
	// P99 and Kept are when a rate is followed, see [result.KneeLimits].
	P99  float64 `yaml:"p99_ms"`
	Kept float64 `yaml:"kept"`
}

func (c *Curve) limits() result.KneeLimits { return result.KneeLimits{P99: c.P99, Kept: c.Kept} }

// Overload offers multiples of what the system can do: the capacity of its handlers, or the knee.
// The least of them is what the others are held against, and what is offered after each that is
// above 1.
type Overload struct {
	Times    []float64     `yaml:"times"`
	Duration time.Duration `yaml:"duration"`
	// Capacity in requests per second: workers by the time that each request takes. 0 means the
	// knee.
	Capacity float64 `yaml:"capacity"`
	// After is how long a system is watched when an overload has ended.
	After time.Duration `yaml:"after"`
}

// Disturb is what is done to nanofront during a step.
type Disturb struct {
	Slow    *Slow    `yaml:"slow"`
	Restart *Restart `yaml:"restart"`
}

// Slow lets a process run only for Period / Factor of each Period, from a quarter of the step to
// three quarters.
type Slow struct {
	Process string        `yaml:"process"`
	Factor  float64       `yaml:"factor"`
	Period  time.Duration `yaml:"period"`
}

// Restart restarts the processes of the roles, one after the other with a pause between them, as
// long as the step lasts.
type Restart struct {
	Roles []string      `yaml:"roles"`
	Pause time.Duration `yaml:"pause"`
}

// parse decodes YAML into what v has already, and refuses what it doesn't know.
func parse(raw []byte, v any) error {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// check holds a scenario against its bounds and completes it.
func (s *Scenario) check() error {
	if s.Rounds == 0 {
		s.Rounds = 1
	}
	if s.Warmup == 0 {
		s.Warmup = defaultWarm
	}
	if s.Timeout == 0 {
		s.Timeout = defaultLimit
	}
	if s.Connections == 0 {
		s.Connections = 1024
	}
	if len(s.Requests) == 0 {
		return fmt.Errorf("requests: there are none")
	}
	for _, r := range s.Requests {
		if r.Path == "" {
			return fmt.Errorf("requests: one has no path")
		}
	}
	for _, b := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"rounds", s.Rounds, 1, MaxRounds},
		{"system: echo", s.System.Echo, 0, MaxHandlers},
		{"system: web", s.System.Web, 0, MaxHandlers},
		{"system: profile", s.System.Profile, 0, 1},
		{"system: workers", s.System.Workers, 0, MaxWorkers},
		{"steps", len(s.Steps), 0, MaxSteps},
		{"connections", s.Connections, 1, load.MaxConnections},
	} {
		if b.value < b.low || b.value > b.high {
			return fmt.Errorf("%s: %d is out of range: it must be from %d to %d", b.name, b.value, b.low, b.high)
		}
	}
	if s.Warmup < 0 || s.Warmup > time.Hour || s.Timeout < time.Millisecond || s.Timeout > load.MaxTimeout {
		return fmt.Errorf("warmup %v, timeout %v: they must be from 0s to 1h, and from 1ms to %v", s.Warmup, s.Timeout, load.MaxTimeout)
	}
	if s.Calls < 0 || s.Calls > time.Hour {
		return fmt.Errorf("calls: %v is out of range: it must be from 0s to 1h", s.Calls)
	}
	if err := s.checkSubjects(); err != nil {
		return err
	}
	if s.Driver != "" && s.Driver != DriverBench && drivers.Find(s.Driver) == nil {
		return fmt.Errorf("driver: %q is not one of %s", s.Driver, strings.Join(DriverNames(), ", "))
	}
	return s.checkLoads()
}

func (s *Scenario) checkSubjects() error {
	if len(s.Subjects) == 0 {
		s.Subjects = []string{SubjectNanofront}
	}
	for i, name := range s.Subjects {
		if name != SubjectNanofront && peers.Find(name) == nil {
			return fmt.Errorf("subjects: %q is not one of %s", name, strings.Join(SubjectNames(), ", "))
		}
		if slices.Contains(s.Subjects[:i], name) {
			return fmt.Errorf("subjects: %s is there twice", name)
		}
	}
	if slices.Contains(s.Subjects, SubjectNanofront) && s.System.Echo+s.System.Web == 0 {
		return fmt.Errorf("system: it has neither echo nor web to answer")
	}
	return nil
}

func (s *Scenario) checkLoads() error {
	if len(s.Steps) == 0 && s.Curve == nil && s.Overload == nil {
		return fmt.Errorf("there is no load: it needs steps, a curve or an overload")
	}
	for i := range s.Steps {
		t := &s.Steps[i]
		if t.Idle && (t.Closed != 0 || t.Rate != 0) {
			return fmt.Errorf("steps[%d]: idle with closed %d, rate %v: nobody asks in an idle step", i, t.Closed, t.Rate)
		}
		if !t.Idle && (t.Closed > 0) == (t.Rate > 0) || t.Closed < 0 || t.Rate < 0 || t.Closed > load.MaxConnections || t.Rate > load.MaxRate {
			return fmt.Errorf("steps[%d]: closed %d, rate %v: one of the two must be given, or idle, at most %d and %v", i, t.Closed, t.Rate, load.MaxConnections, float64(load.MaxRate))
		}
		if err := checkDuration(t.Duration); err != nil {
			return fmt.Errorf("steps[%d]: %w", i, err)
		}
		if t.Rate > 0 {
			t.name = rateName(t.Rate)
		}
	}
	if c := s.Curve; c != nil {
		if !(c.From > 0 && c.By > 0 && c.To >= c.From && c.To <= load.MaxRate) || c.Refine < 0 || c.Refine > 10 || (c.To-c.From)/c.By > MaxSteps {
			return fmt.Errorf("curve: from %v by %v to %v, refine %d: rates must rise, in at most %d steps, and refine be from 0 to 10", c.From, c.By, c.To, c.Refine, MaxSteps)
		}
		if err := checkDuration(c.Duration); err != nil {
			return fmt.Errorf("curve: %w", err)
		}
	}
	if o := s.Overload; o != nil {
		if s.Curve == nil && o.Capacity == 0 {
			return fmt.Errorf("overload: it needs the capacity, or a curve to find the knee with")
		}
		if !(o.Capacity >= 0 && o.Capacity <= load.MaxRate) || o.After < 0 || o.After > time.Hour {
			return fmt.Errorf("overload: capacity %v, after %v: they must be from 0 to %v requests a second, and from 0s to 1h", o.Capacity, o.After, float64(load.MaxRate))
		}
		if len(o.Times) == 0 || len(o.Times) > MaxSteps || slices.ContainsFunc(o.Times, func(t float64) bool { return !(t > 0 && t <= 100) }) {
			return fmt.Errorf("overload: times %v: there must be some, above 0 and at most 100", o.Times)
		}
		if err := checkDuration(o.Duration); err != nil {
			return fmt.Errorf("overload: %w", err)
		}
	}
	return s.Disturb.check()
}

func (d *Disturb) check() error {
	if d == nil {
		return nil
	}
	if w := d.Slow; w != nil && (w.Process == "" || !(w.Factor > 1 && w.Factor <= MaxFactor) || w.Period < 10*time.Millisecond || w.Period > 10*time.Second) {
		return fmt.Errorf("disturb: slow: process %q, factor %v, period %v: there must be a process, a factor from 1 to %d and a period from 10ms to 10s", w.Process, w.Factor, w.Period, MaxFactor)
	}
	if r := d.Restart; r != nil && (len(r.Roles) == 0 || r.Pause < 0 || r.Pause > time.Hour) {
		return fmt.Errorf("disturb: restart: roles %v, pause %v: there must be roles, and a pause from 0s to 1h", r.Roles, r.Pause)
	}
	return nil
}

func checkDuration(d time.Duration) error {
	if d < minDuration || d > MaxDuration {
		return fmt.Errorf("duration: %v is out of range: it must be from %v to %v", d, minDuration, MaxDuration)
	}
	return nil
}

func rateName(rate float64) string { return fmt.Sprintf("%.0f/s", rate) }

// SubjectNames are what subjects may be called.
func SubjectNames() []string {
	names := []string{SubjectNanofront}
	for _, p := range peers.All() {
		names = append(names, p.Key)
	}
	return names
}

// DriverBench is the benchmark's own generator.
const DriverBench = "bench"

// DriverNames are what drivers may be called.
func DriverNames() []string {
	names := []string{DriverBench}
	for _, d := range drivers.All() {
		names = append(names, d.Name)
	}
	return names
}
