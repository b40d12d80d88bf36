package drivers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
	"nanofront/bench/system"
	"nanofront/internal/process"
)

// Errors to be told apart with errors.Is.
var (
	// ErrMissing: the driver isn't installed.
	ErrMissing = errors.New("drivers: not installed")
	// ErrCannot: the driver can't send what is asked for.
	ErrCannot = errors.New("drivers: not possible")
	// ErrOutput: the driver failed, or said what isn't understood.
	ErrOutput = errors.New("drivers: unexpected output")
)

// overrun is how much longer than asked for a driver may take.
const overrun = 30 * time.Second

// Load is what a driver is asked for.
type Load struct {
	// URL is the subject's, without a path.
	URL string
	Mix *load.Mix
	// Connections, each of which sends when it has its answer.
	Connections int
	// Churn opens a connection for each request.
	Churn bool
	// Duration is rounded up to whole seconds, which is all that these drivers know.
	Duration time.Duration
	// Rate is about what to expect, for a driver that must be told a number of requests. 0: nothing
	// is known.
	Rate float64
	// Dir is a folder for scripts.
	Dir string
}

func (l *Load) seconds() int { return max(1, int((l.Duration+time.Second-1)/time.Second)) }

func (l *Load) threads() int { return max(1, min(runtime.NumCPU(), l.Connections)) }

// Driver is a load generator.
type Driver struct {
	// Name is that of the program.
	Name string
	pkg  string // how to get it
	// can says why a load can't be had from it, or nil.
	can func(*Load) error
	// command makes arguments.
	command func(*Load) ([]string, error)
	parse   func(out string, l *Load, r *result.Run) error
}

// All are the drivers, the best first.
func All() []*Driver {
	return []*Driver{
		{Name: "wrk", pkg: "apt-get install wrk", can: func(*Load) error { return nil }, command: wrkCommand, parse: wrkParse},
		{Name: "h2load", pkg: "apt-get install nghttp2-client", can: h2loadCan, command: h2loadCommand, parse: h2loadParse},
		{Name: "weighttp", pkg: "it is in no Debian package: see github.com/lighttpd/weighttp", can: weighttpCan, command: weighttpCommand, parse: weighttpParse},
	}
}

// Find returns the driver of that name, nil if there is none.
func Find(name string) *Driver {
	all := All()
	i := slices.IndexFunc(all, func(d *Driver) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// Available is nil if the driver is installed. The error says how to install it.
func (d *Driver) Available() error {
	if _, err := exec.LookPath(d.Name); err != nil {
		return fmt.Errorf("%w: %s (%s)", ErrMissing, d.Name, d.pkg)
	}
	return nil
}

// Can is nil if the driver can send the load; the error wraps [ErrCannot].
func (d *Driver) Can(l *Load) error {
	if err := d.can(l); err != nil {
		return fmt.Errorf("%w with %s: %w", ErrCannot, d.Name, err)
	}
	return nil
}

// Run runs the driver to its end, and returns what it found: the fields of a Run that a driver
// knows. It is ended when ctx is done, and then has found nothing.
func (d *Driver) Run(ctx context.Context, l *Load) (*result.Run, error) {
	if err := d.Can(l); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(d.Name)
	if err != nil {
		return nil, d.Available()
	}
	args, err := d.command(l)
	if err != nil {
		return nil, err
	}
	g := system.NewGroup()
	defer g.Stop()
	began := time.Now()
	p, err := g.Start(process.Spec{Name: d.Name, Role: result.RoleLoad, Path: path, Args: args, Grace: time.Second})
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, 4*l.Duration+overrun)
	defer cancel()
	if err := p.Wait(limit); err != nil {
		return nil, err
	}
	r := &result.Run{Driver: d.Name, Loop: result.Closed, Connections: l.Connections, Duration: time.Since(began)}
	if err := d.parse(p.Output(), l, r); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; it said: %.500s", ErrOutput, d.Name, err, p.Output())
	}
	if r.Duration <= 0 {
		return nil, fmt.Errorf("%w: %s: it ran for %v; it said: %.500s", ErrOutput, d.Name, r.Duration, p.Output())
	}
	r.Planned = r.Sent
	r.Processes = []result.Process{system.Used(d.Name, result.RoleLoad, p.Usage())}
	return r, nil
}

// simple says why a mix is more than GET of some paths with the same headers, or nil.
func simple(m *load.Mix) error {
	for i := range m.Requests {
		r := &m.Requests[i]
		switch {
		case r.Method != "" && r.Method != "GET":
			return fmt.Errorf("%s is sent, and it can do GET only", r.Method)
		case r.Body != "" || r.BodySize > 0:
			return errors.New("it sends no bodies")
		case i > 0 && !maps.Equal(r.Headers, m.Requests[0].Headers):
			return errors.New("it sends the same headers always")
		}
		for _, v := range r.Headers {
			if strings.ContainsAny(v, "{") {
				return errors.New("it sends the same headers always")
			}
		}
	}
	return nil
}
