package fleet

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/metrics"
	"nanofront/registry"
)

// lookAtTerminators asks those that have announced themselves and those whose admin addresses were
// given, each once.
func (l *Looker) lookAtTerminators(ctx context.Context, services map[string]bool) []Terminator {
	announced, more := slices.Clone(l.known.terminators), l.Terminators
	if len(announced) == 0 && len(more) == 0 {
		more = []string{cli.DefaultAdmin}
	}
	for _, addr := range more {
		if !slices.ContainsFunc(announced, func(t registry.Process) bool { return t.Admin == addr }) {
			announced = append(announced, registry.Process{Kind: registry.KindTerminator, Admin: addr})
		}
	}
	out := make([]Terminator, len(announced))
	var wg sync.WaitGroup
	for i, t := range announced {
		wg.Go(func() {
			s := &out[i]
			if t.Admin == "" {
				s.Error = "has no admin port (--admin=)"
			} else {
				*s = l.lookAtTerminator(ctx, t.Admin, services)
			}
			s.Announced, s.Host, s.HTTP, s.Version = t.Name != "", t.Host, t.HTTP, t.Version
			if t.Name != "" {
				// What is announced says which one is meant, also of one that
				// doesn't answer.
				s.Instance = t.Name
				if s.Uptime == 0 && !t.Started.IsZero() {
					s.Uptime = time.Since(t.Started).Seconds()
				}
			}
		})
	}
	wg.Wait()
	return out
}

func (l *Looker) lookAtTerminator(ctx context.Context, addr string, services map[string]bool) Terminator {
	s := Terminator{Admin: addr}
	var r metrics.Report
	var state frontState
	for _, doc := range []struct {
		path string
		into any
	}{{"/metrics.json", &r}, {"/links.json", &s.Links}, {"/state.json", &state}} {
		if err := admin.GetJSON(ctx, addr, doc.path, doc.into); err != nil {
			return Terminator{Admin: addr, Error: plain(err)}
		}
	}
	s.Ready, s.Reasons, s.Degraded = state.Ready, state.Reasons, state.Degraded
	s.PID = r.PID
	total := r.Timers["stage.total"].Last
	s.Instance, s.Uptime = r.Instance, r.Uptime
	s.Rate = r.Counters["http.requests"].Rate
	s.Failed = r.Counters["http.status.5xx"].Rate
	s.Shed = r.Counters["http.shed"].Rate
	s.P50, s.P99 = total.P50, total.P99
	s.InFlight, s.Limit, s.Conns = r.Gauges["http.in_flight"], r.Gauges["http.limit"], r.Gauges["http.connections"]
	s.services, s.routes = make(map[string]figures), make(map[string]figures)
	for name := range services {
		s.services[name] = serviceFigures(&r, name)
	}
	for i := range l.known.routes {
		name := l.known.routes[i].Name
		s.routes[name] = routeFigures(&r, name)
	}
	return s
}

// frontState is what a terminator says of itself at /state.json.
type frontState struct {
	Ready    bool          `json:"ready"`
	Reasons  []string      `json:"reasons"`
	Degraded []Degradation `json:"degraded"`
}

// plain is err without the URL that was asked: who was asked is said beside it.
func plain(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// Drained tells that the terminator isn't ready because somebody wants it so, and for no other
// reason.
func (s *Terminator) Drained() bool {
	return !s.Ready && len(s.Reasons) > 0 && !slices.ContainsFunc(s.Reasons, func(r string) bool { return !strings.HasPrefix(r, drainedBy) })
}

// drainedBy is how a terminator begins to say that.
const drainedBy = "drained by "

// State is a terminator's, in a word, and how that looks.
func (s *Terminator) State() (string, terminal.Style) {
	switch {
	case s.Error != "":
		return "no answer", terminal.Red
	case s.Drained():
		return "drained", terminal.Blue
	case !s.Ready:
		return "not ready", terminal.Yellow
	case len(s.Degraded) > 0:
		return "degraded", terminal.Yellow
	}
	return "ready", terminal.Green
}
