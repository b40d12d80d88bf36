package status

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// Command is nanofront status.
type Command struct {
	cli.Discovery
	Terminators []string `sep:"," placeholder:"ADDRS" help:"Admin addresses of terminators, in addition to those announced in etcd. Default: 127.0.0.1:8081 if none is announced."`
	JSON        bool     `name:"json" help:"Print JSON."`
}

// instanceStatus is a line of the table. Figures are of the last 10 s: the instance's own, or else
// those of its callers' links; nil where nobody knows any.
type instanceStatus struct {
	registry.Instance
	State    state    `json:"state"`
	PID      int      `json:"pid,omitempty"`
	Uptime   float64  `json:"uptime_s"`
	InFlight *float64 `json:"in_flight"`
	Rate     *float64 `json:"requests_per_s"`
	P50      *float64 `json:"p50_ms"`
	P99      *float64 `json:"p99_ms"`
	Failed   *float64 `json:"errors_per_s"`
	// Callers says that the figures are of the callers' side: times are with the way there and back.
	Callers bool `json:"from_callers,omitempty"`

	links []nanobus.LinkInfo // to others
	asked error              // why it doesn't answer
}

// terminatorStatus is what one terminator says of itself.
type terminatorStatus struct {
	Admin     string `json:"admin"`
	Error     string `json:"error,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Announced bool   `json:"announced"` // in etcd; else given by --terminators
	Host      string `json:"host,omitempty"`
	HTTP      string `json:"http,omitempty"`
	PID       int    `json:"pid,omitempty"`

	Uptime   float64            `json:"uptime_s,omitempty"`
	Rate     float64            `json:"requests_per_s"`
	Failed   float64            `json:"server_errors_per_s"`
	Shed     float64            `json:"shed_per_s"`
	P50      float64            `json:"p50_ms"`
	P99      float64            `json:"p99_ms"`
	InFlight float64            `json:"in_flight"`
	Limit    float64            `json:"limit"`
	Conns    float64            `json:"connections"`
	Links    []nanobus.LinkInfo `json:"links,omitempty"`

	Ready    bool          `json:"ready"`
	Reasons  []string      `json:"reasons,omitempty"`  // why it isn't
	Degraded []degradation `json:"degraded,omitempty"` // what isn't as it should be, ready or not
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	instances, err := src.Instances(ctx)
	if err != nil {
		return err
	}
	terminators, err := lookAtTerminators(ctx, src, c.Terminators)
	if err != nil {
		return err
	}
	statuses := make([]instanceStatus, len(instances))
	var wg sync.WaitGroup
	for i, in := range instances {
		wg.Go(func() { statuses[i] = lookAtInstance(ctx, in) })
	}
	wg.Wait()
	setStates(statuses, terminators)
	setFigures(statuses, terminators)
	if c.JSON {
		enc := json.NewEncoder(std.Out)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"from": placeOf(&c.Discovery), "terminators": terminators, "instances": statuses})
	} else {
		printOn(terminal.ScreenOf(std.Out), placeOf(&c.Discovery), terminators, statuses)
	}
	if err != nil {
		return err
	}
	return silent(terminators)
}

// silent is an error if a terminator doesn't answer, for scripts.
func silent(terminators []terminatorStatus) error {
	var names []string
	for _, t := range terminators {
		if t.Error != "" && t.Admin != "" {
			names = append(names, t.name())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d terminators: no answer from %s", len(names), len(terminators), strings.Join(names, ", "))
}

// name is what the terminator is called, as far as is known.
func (s *terminatorStatus) name() string {
	if s.Instance == "" {
		return s.Admin
	}
	return s.Instance
}

func lookAtTerminator(ctx context.Context, addr string) terminatorStatus {
	s := terminatorStatus{Admin: addr}
	var r metrics.Report
	if err := admin.GetJSON(ctx, addr, "/metrics.json", &r); err != nil {
		s.Error = err.Error()
		return s
	}
	if err := admin.GetJSON(ctx, addr, "/links.json", &s.Links); err != nil {
		s.Error = err.Error()
		return s
	}
	state, err := stateAt(ctx, addr)
	if err != nil {
		s.Error = err.Error()
		return s
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
	return s
}

func lookAtInstance(ctx context.Context, in registry.Instance) instanceStatus {
	s := instanceStatus{Instance: in, Uptime: -1}
	if !in.Started.IsZero() { // as in a static table
		s.Uptime = time.Since(in.Started).Seconds()
	}
	if in.Admin == "" {
		s.asked = knock(ctx, in.Address)
		return s
	}
	var r metrics.Report
	if s.asked = admin.GetJSON(ctx, in.Admin, "/metrics.json", &r); s.asked != nil {
		return s // shown as dashes
	}
	_ = admin.GetJSON(ctx, in.Admin, "/links.json", &s.links) // without, there are none
	work := r.Timers["service_time"].Last
	inFlight, rate, failed := r.Gauges["in_flight"], r.Counters["requests"].Rate, r.Counters["errors"].Rate
	s.PID, s.InFlight, s.Rate, s.P50, s.P99, s.Failed = r.PID, &inFlight, &rate, &work.P50, &work.P99, &failed
	return s
}
