package load

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// Defaults of Options.
const (
	DefaultConnections = 256
	DefaultDuration    = 10 * time.Second
	DefaultTimeout     = time.Second
	DefaultLateAfter   = 10 * time.Millisecond
)

// Bounds of Options.
const (
	MaxConnections = 60_000
	MaxPipeline    = 1024
	MaxWorkers     = 64
	MaxDuration    = 7 * 24 * time.Hour
	MaxTimeout     = 10 * time.Minute
)

// ratePerWorker is how many requests per second of a plan one worker gets
// before there is a second one. A worker that is busier finds more to do each time it
// wakes up, which costs less for each request.
const ratePerWorker = 60_000

// ErrOptions is wrapped by errors that say what is wrong with Options.
var ErrOptions = errors.New("load: options")

// Options says what Run does. Zero values are the defaults.
type Options struct {
	// URL is http://host[:port][/path]. The port is 80 by default.
	URL string
	// Mix is what is sent. nil means GET of the URL's path.
	Mix *Mix

	// Rate is that of an open loop, in requests per second. 0 with no Stages
	// means a closed loop.
	Rate float64
	// Stages is a plan in place of Rate and Duration.
	Stages []Stage
	// Arrivals of an open loop. Empty means Constant.
	Arrivals Arrivals
	// Seed of Poisson arrivals, of the choice from the mix, and of random ids.
	// The same options with the same seed send the same.
	Seed uint64

	// Duration of what is counted. 0 means DefaultDuration.
	Duration time.Duration
	// Warmup comes before that, with the same load (the first rate), and is not counted. 0 means
	// none.
	Warmup time.Duration
	// Timeout is how long a request may take from when it was sent, connecting included. 0 means
	// DefaultTimeout. It is looked at each 10 ms.
	Timeout time.Duration
	// Patience is how long after its planned time a request may still leave, though not when its
	// stage is over; one that finds no connection free until then is given up, and counted in
	// Result.Unsent. 0 means that it waits until the end: what an overload leaves behind is then
	// sent when it is over. Closed loops have none.
	Patience time.Duration
	// LateAfter is how long after its planned time a request must leave to be
	// counted in Result.Late. 0 means DefaultLateAfter.
	LateAfter time.Duration

	// Connections is how many are open at once, at most: the number of them in a closed
	// loop, the bound in an open one. All are opened before the start, unless Churn.
	// Requests take turns on them. 0 means DefaultConnections.
	Connections int
	// Pipeline is how many requests may be under way on a connection. 0 means 1.
	Pipeline int
	// Churn opens a connection for each request.
	Churn bool

	// Workers is the number of threads. 0 means as many as there are cores in a closed
	// loop, and one for each 60,000 requests per second in an open one, if there are as many cores.
	Workers int
	// Portable uses poll(2) where epoll would be used, as other systems do. It costs more.
	Portable bool
}

// plan is Options, checked and completed.
type plan struct {
	Options
	address string // host:port to connect to
	mix     *compiledMix
	profile *profile // nil in a closed loop
}

func (p *plan) open() bool { return p.profile != nil }

func optionError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrOptions, fmt.Errorf(format, args...))
}

// prepare checks options and completes them.
func prepare(o Options) (*plan, error) {
	p := &plan{Options: o}
	u, err := checkURL(o.URL)
	if err != nil {
		return nil, optionError("%w", err)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if err := p.setDefaults(); err != nil {
		return nil, err
	}
	mix := o.Mix
	if mix == nil {
		mix = &Mix{Requests: []Request{{Path: u.RequestURI()}}}
	}
	if p.mix, err = compileMix(mix, u.Host, u.RequestURI(), o.Churn); err != nil {
		return nil, optionError("%w", err)
	}
	for _, e := range p.mix.entries {
		if e.waits && p.Pipeline > 1 {
			return nil, optionError("pipeline: %s waits for 100 (Continue), which pipelining can't", e.name)
		}
	}
	return p, p.setPlan()
}

// setDefaults holds the numbers against their bounds, and completes them.
func (p *plan) setDefaults() error {
	for _, d := range []struct {
		name     string
		value    *time.Duration
		def, max time.Duration
	}{
		{"duration", &p.Duration, DefaultDuration, MaxDuration},
		{"warmup", &p.Warmup, 0, MaxDuration},
		{"timeout", &p.Timeout, DefaultTimeout, MaxTimeout},
		{"patience", &p.Patience, 0, MaxTimeout},
		{"late-after", &p.LateAfter, DefaultLateAfter, MaxTimeout},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < 0 || *d.value > d.max {
			return optionError("%s: %v is out of range: it must be from 0s to %v", d.name, *d.value, d.max)
		}
	}
	for _, n := range []struct {
		name     string
		value    *int
		def, max int
	}{
		{"connections", &p.Connections, DefaultConnections, MaxConnections},
		{"pipeline", &p.Pipeline, 1, MaxPipeline},
		{"workers", &p.Workers, 0, MaxWorkers},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < 0 || *n.value > n.max {
			return optionError("%s: %d is out of range: it must be from 1 to %d", n.name, *n.value, n.max)
		}
	}
	if p.Churn && p.Pipeline > 1 {
		return optionError("pipeline: %d requests can't share a connection that is opened for each of them (churn)", p.Pipeline)
	}
	if limit := descriptors(); p.Connections+32 > limit {
		return optionError("connections: %d need as many file descriptors, and the process may have %d: raise it (ulimit -n), or use fewer", p.Connections, limit)
	}
	return nil
}

// setPlan makes the profile of an open loop, and chooses the number of workers.
func (p *plan) setPlan() error {
	if p.Rate < 0 || math.IsNaN(p.Rate) {
		return optionError("rate: %v is not a number of requests per second", p.Rate)
	}
	if p.Rate > 0 && len(p.Stages) > 0 {
		return optionError("rate and stages exclude each other")
	}
	if p.Rate > 0 {
		p.Stages = []Stage{{From: p.Rate, To: p.Rate, Duration: p.Duration}}
	}
	workers := runtime.GOMAXPROCS(0)
	if len(p.Stages) > 0 {
		if err := checkStages(p.Stages); err != nil {
			return optionError("rate: %w", err)
		}
		p.Duration = 0
		peak := 0.0
		for _, s := range p.Stages {
			p.Duration += s.Duration
			peak = max(peak, s.From, s.To)
		}
		if p.Duration > MaxDuration {
			return optionError("rate: the stages last %v: at most %v is allowed", p.Duration, MaxDuration)
		}
		if p.Arrivals == "" {
			p.Arrivals = Constant
		}
		if p.Arrivals != Constant && p.Arrivals != Poisson {
			return optionError("arrivals: %q is not one of constant, poisson", p.Arrivals)
		}
		p.profile = newProfile(p.Stages, p.Warmup)
		workers = min(workers, int(math.Ceil(peak/ratePerWorker)))
	}
	if p.Workers == 0 {
		p.Workers = min(workers, MaxWorkers)
	}
	p.Workers = min(p.Workers, p.Connections)
	return nil
}

func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not a URL such as http://127.0.0.1:8080/hello", text)
	}
	switch {
	case u.Scheme == "https":
		return nil, fmt.Errorf("%q: TLS is not spoken here: measure the port behind it, with http://", text)
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q: the scheme must be http", text)
	case u.User != nil:
		return nil, fmt.Errorf("the URL has a user in it: use a mix with an Authorization header")
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q has no host", text)
	case strings.Contains(text, "#"):
		return nil, fmt.Errorf("%q: a fragment (#) is not sent to servers", text)
	}
	return u, nil
}
