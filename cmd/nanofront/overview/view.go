package overview

import (
	"fmt"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/fleet"
	"nanofront/registry"
)

// View is a system at one moment. Its JSON is what nanofront status --json prints, and stable:
// fields may be added, but none changes its meaning.
type View struct {
	From Place     `json:"from"`
	At   time.Time `json:"at"`
	// Healthy is whether there is no problem.
	Healthy  bool      `json:"healthy"`
	Problems []Problem `json:"problems"`

	Terminators []Terminator `json:"terminators"`
	Services    []Service    `json:"services"`
	Routes      []Route      `json:"routes"`
	Instances   []Instance   `json:"instances"`
}

// Problem is something that is down, or isn't as it should be.
type Problem struct {
	// Kind is what it is about: "discovery", "terminator", "service" or "instance".
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

// String is the problem on a line.
func (p *Problem) String() string {
	if p.Name == "" {
		return fmt.Sprintf("%s: %s", p.Kind, p.Text)
	}
	return fmt.Sprintf("%s %s: %s", p.Kind, p.Name, p.Text)
}

// Place is where a system is found.
type Place struct {
	// System is the system's name: what its processes announce, or else what its prefix says.
	System string `json:"system,omitempty"`
	Etcd   string `json:"etcd,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Static string `json:"static,omitempty"`
}

// PlaceOf is the place that flags name.
func PlaceOf(d *cli.Discovery) Place {
	if d.Static != "" {
		return Place{Static: d.Static}
	}
	return Place{Etcd: d.Etcd, Prefix: d.EtcdPrefix, System: registry.SystemName(d.EtcdPrefix)}
}

// String is the place on a line.
func (p Place) String() string {
	name := ""
	if p.System != "" {
		name = p.System + ": "
	}
	if p.Static != "" {
		return name + "table " + p.Static
	}
	return fmt.Sprintf("%setcd %s, prefix %s", name, p.Etcd, p.Prefix)
}

// Terminator is what one terminator says of itself. Figures are of the last 10 s, as all here.
type Terminator struct {
	Admin     string `json:"admin"`
	Error     string `json:"error,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Announced bool   `json:"announced"` // by discovery; else its address was given
	Host      string `json:"host,omitempty"`
	HTTP      string `json:"http,omitempty"`
	PID       int    `json:"pid,omitempty"`
	Version   string `json:"version,omitempty"`

	Uptime   float64      `json:"uptime_s,omitempty"`
	Rate     float64      `json:"requests_per_s"`
	Failed   float64      `json:"server_errors_per_s"`
	Shed     float64      `json:"shed_per_s"`
	P50      float64      `json:"p50_ms"`
	P99      float64      `json:"p99_ms"`
	InFlight float64      `json:"in_flight"`
	Limit    float64      `json:"limit"`
	Conns    float64      `json:"connections"`
	Links    []fleet.Link `json:"links,omitempty"`

	Ready    bool                `json:"ready"`
	Reasons  []string            `json:"reasons,omitempty"`  // why it isn't
	Degraded []fleet.Degradation `json:"degraded,omitempty"` // what isn't as it should be, ready or not

	services map[string]figures // by their names
	routes   map[string]figures
}

// Name is what the terminator is called, as far as is known.
func (s *Terminator) Name() string {
	if s.Instance == "" {
		return s.Admin
	}
	return s.Instance
}

// Instance is a handler. Figures are the instance's own, or else those of its callers' links; nil
// where nobody knows any.
type Instance struct {
	registry.Instance
	State    State    `json:"state"`
	PID      int      `json:"pid,omitempty"`
	Uptime   float64  `json:"uptime_s"`
	InFlight *float64 `json:"in_flight"`
	Rate     *float64 `json:"requests_per_s"`
	P50      *float64 `json:"p50_ms"`
	P99      *float64 `json:"p99_ms"`
	Failed   *float64 `json:"errors_per_s"`
	// Callers says that the figures are of the callers' side: times are with the way there and
	// back.
	Callers bool `json:"from_callers,omitempty"`

	links []fleet.Link // to others
	asked error        // why it doesn't answer
}

// Name is the service and the instance.
func (s *Instance) Name() string { return s.Service + "/" + s.ID }

// Service is all instances of one name, as the fronts see them if there are routes to it, else as
// they see themselves.
type Service struct {
	Name      string  `json:"name"`
	Routed    bool    `json:"routed"`
	Instances int     `json:"instances"`
	Serving   int     `json:"serving"` // of them, those that requests go to
	Rate      float64 `json:"requests_per_s"`
	Failed    float64 `json:"server_errors_per_s"` // answers of 500 and above, the front's own among them
	Shed      float64 `json:"shed_per_s"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	InFlight  float64 `json:"in_flight"`
	Limit     float64 `json:"limit,omitempty"`
	// Load is how much more there is than it can do, at the front that has most: 0 no more, 1
	// hardly, 2 at least a tenth was refused in the last twentieth of a second, 3 at least half.
	Load int `json:"load,omitempty"`
	// Degraded says why requests for it are refused, if they are.
	Degraded string `json:"degraded,omitempty"`
}

// Route is one route, in the order in which they are looked at.
type Route struct {
	Name    string  `json:"name"`
	Match   string  `json:"match"`
	Service string  `json:"service"`
	Rate    float64 `json:"requests_per_s"`
	Failed  float64 `json:"server_errors_per_s"` // as a Service's
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}
