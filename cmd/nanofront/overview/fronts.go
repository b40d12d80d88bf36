package overview

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"nanofront/internal/fleet"
	"nanofront/internal/terminal"
)

// terminatorOf is what a front said, with its figures of these services, and of the routes.
func (l *Looker) terminatorOf(s *fleet.Subject, services map[string]bool) Terminator {
	p, r := &s.Process, s.Report
	t := Terminator{
		Admin: s.Admin, Announced: p.Name != "", Host: p.Host, HTTP: p.HTTP, Version: p.Version, Instance: r.Instance,
	}
	err := s.Err
	if err == nil {
		err = s.Partial
	}
	switch {
	case s.Admin == "":
		t.Admin, t.Error = p.Admin, s.Why
	case err != nil:
		t.Error = plain(err)
	default:
		total := r.Timers["stage.total"]
		t.PID, t.Uptime, t.Links = r.PID, r.Uptime, s.Links
		t.Ready, t.Reasons, t.Degraded = s.State.Ready, s.State.Reasons, s.State.Degraded
		t.Rate, t.Failed, t.Shed = r.Counters["http.requests"].Rate, r.Counters["http.status.5xx"].Rate, r.Counters["http.shed"].Rate
		t.P50, t.P99 = total.P50, total.P99
		t.InFlight, t.Limit, t.Conns = r.Gauges["http.in_flight"], r.Gauges["http.limit"], r.Gauges["http.connections"]
		t.services, t.routes = make(map[string]figures), make(map[string]figures)
		for name := range services {
			t.services[name] = serviceFigures(r, name)
		}
		for i := range l.known.routes {
			name := l.known.routes[i].Name
			t.routes[name] = routeFigures(r, name)
		}
	}
	if t.Announced {
		// What is announced says which one is meant, also of one that doesn't answer.
		t.Instance = p.Name
		if t.Uptime == 0 && !p.Started.IsZero() {
			t.Uptime = since(p.Started)
		}
	}
	return t
}

// instanceOf is what a handler said.
func instanceOf(s *fleet.Subject) Instance {
	in := Instance{Instance: s.Instance, Uptime: -1, asked: s.Err}
	if !in.Started.IsZero() { // as in a static table
		in.Uptime = since(in.Started)
	}
	if s.Admin == "" || s.Err != nil {
		return in // shown as dashes
	}
	r := s.Report
	work := r.Timers["service_time"]
	inFlight, rate, failed := r.Gauges["in_flight"], r.Counters["requests"].Rate, r.Counters["errors"].Rate
	in.PID, in.InFlight, in.Rate, in.P50, in.P99, in.Failed, in.links = r.PID, &inFlight, &rate, &work.P50, &work.P99, &failed, s.Links
	return in
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

// since is how many seconds ago something was by the clock of its machine, which may be ahead of
// ours: 0 then.
func since(t time.Time) float64 { return max(0, time.Since(t).Seconds()) }
