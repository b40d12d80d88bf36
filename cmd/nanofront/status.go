package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/cli"
	"nanofront/internal/discovery"
	"nanofront/internal/metrics"
	"nanofront/internal/registry"
	"nanofront/nanobus"
)

// statusTimeout bounds each look at an admin port.
const statusTimeout = 2 * time.Second

type statusCommand struct {
	cli.Discovery
	Terminators []string `sep:"," placeholder:"ADDRS" help:"Admin addresses of terminators to look at besides those that have announced themselves in etcd. Default: 127.0.0.1:8081 if none has."`
	JSON        bool     `name:"json" help:"Print JSON."`
}

// instanceStatus is a line of the table. Figures are of the last 10 s; nil
// where the admin port doesn't answer.
type instanceStatus struct {
	registry.Instance
	Uptime   float64  `json:"uptime_s"`
	InFlight *float64 `json:"in_flight"`
	Rate     *float64 `json:"requests_per_s"`
	P50      *float64 `json:"p50_ms"`
	P99      *float64 `json:"p99_ms"`
	State    string   `json:"state"` // as the terminators' links say; "up" if none is linked with it
}

// terminatorStatus is what one terminator says of itself.
type terminatorStatus struct {
	Admin     string `json:"admin"`
	Error     string `json:"error,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Announced bool   `json:"announced"` // in etcd; else given by --terminators
	Host      string `json:"host,omitempty"`
	HTTP      string `json:"http,omitempty"`

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
func (c *statusCommand) Run(ctx context.Context, std cli.IO) error {
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
	for i := range statuses {
		statuses[i].State = stateOf(&statuses[i], terminators)
	}
	if c.JSON {
		enc := json.NewEncoder(std.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"from": placeOf(&c.Discovery), "terminators": terminators, "instances": statuses})
	}
	_, _ = fmt.Fprintf(std.Out, "%v\n\n", placeOf(&c.Discovery))
	printTerminators(std, terminators)
	printInstances(std, statuses)
	return nil
}

func printTerminators(std cli.IO, terminators []terminatorStatus) {
	t := table{
		head:  []string{"TERMINATOR", "UPTIME", "CONNS", "IN FLIGHT", "LIMIT", "REQ/S", "P50", "P99", "SHED/S", "5XX/S"},
		right: map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true},
	}
	for _, s := range terminators {
		if s.Error != "" {
			t.add(s.name(), "no answer")
			t.rows[len(t.rows)-1] = append(t.rows[len(t.rows)-1], "–", "–", "–", "–", "–", "–", "–", "–")
			continue
		}
		t.add(s.Instance, uptime(s.Uptime), count(s.Conns), count(s.InFlight), count(s.Limit),
			count(s.Rate), millis(s.P50), millis(s.P99), count(s.Shed), count(s.Failed))
	}
	t.print(std.Out)
	for _, s := range terminators {
		for _, line := range s.remarks() {
			_, _ = fmt.Fprintf(std.Out, "  %s: %s\n", s.name(), line)
		}
	}
	_, _ = fmt.Fprintln(std.Out)
}

func printInstances(std cli.IO, statuses []instanceStatus) {
	if len(statuses) == 0 {
		_, _ = fmt.Fprintln(std.Out, "no instance is registered: bin/handler echo starts one, nanofront up a whole system")
		return
	}
	t := table{
		head:  []string{"SERVICE", "INSTANCE", "VERSION", "STATE", "UPTIME", "WINDOW", "WEIGHT", "IN FLIGHT", "REQ/S", "P50", "P99", "ADDRESS"},
		right: map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true},
	}
	for _, s := range statuses {
		version := s.Version
		if version == "" {
			version = "–"
		}
		t.add(s.Service, s.ID, version, s.State, uptime(s.Uptime), fmt.Sprint(s.Window), s.Weight.String(),
			orDash(s.InFlight, count), orDash(s.Rate, count), orDash(s.P50, millis), orDash(s.P99, millis), s.Address)
	}
	t.print(std.Out)
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
	if err := fetchJSON(ctx, addr, "/metrics.json", &r); err != nil {
		s.Error = err.Error()
		return s
	}
	if err := fetchJSON(ctx, addr, "/links.json", &s.Links); err != nil {
		s.Error = err.Error()
		return s
	}
	state, err := stateAt(ctx, addr)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.Ready, s.Reasons, s.Degraded = state.Ready, state.Reasons, state.Degraded
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
		return s
	}
	var r metrics.Report
	if fetchJSON(ctx, in.Admin, "/metrics.json", &r) != nil {
		return s // shown as dashes
	}
	work := r.Timers["service_time"].Last
	inFlight, rate := r.Gauges["in_flight"], r.Counters["requests"].Rate
	s.InFlight, s.Rate, s.P50, s.P99 = &inFlight, &rate, &work.P50, &work.P99
	return s
}

// stateOf is what the terminators think of an instance.
func stateOf(s *instanceStatus, terminators []terminatorStatus) string {
	var states []string
	for _, t := range terminators {
		for _, l := range t.Links {
			if l.Service == s.Service && l.Instance == s.ID && !slices.Contains(states, l.State) {
				states = append(states, l.State)
			}
		}
	}
	if len(states) == 0 {
		return "up"
	}
	slices.Sort(states)
	return strings.Join(states, "+")
}

func fetchJSON(ctx context.Context, addr, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("http://%s%s: %s", addr, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func orDash(v *float64, format func(float64) string) string {
	if v == nil {
		return "–"
	}
	return format(*v)
}

// count is a number with commas: 51,234.
func count(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// millis is a time in ms with three figures that matter.
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < 1:
		return fmt.Sprintf("%.0f µs", ms*1000)
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f s", ms/1000)
	}
}

func uptime(s float64) string {
	d := time.Duration(s) * time.Second
	switch {
	case s < 0:
		return "–"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	default:
		return d.String()
	}
}
