package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits and defaults of a routes document.
const (
	// RoutesVersion is the version of a document that needs nothing newer (RoutesVersion2).
	RoutesVersion = 1
	// MaxRoutes is how many routes one document may hold.
	MaxRoutes = 10_000
	// MaxDocument is the size of a document in bytes, as written.
	MaxDocument = 1 << 20
	// DefaultTimeout is how long a request may take when its route doesn't
	// say.
	DefaultTimeout = 5 * time.Second
	// MinTimeout and MaxTimeout bound a route's timeout.
	MinTimeout = time.Millisecond
	MaxTimeout = 5 * time.Minute
	// DefaultMaxBody is how many bytes of request body a route takes when
	// it doesn't say.
	DefaultMaxBody = 256 << 10
	// MaxBodyLimit is the most that a route may allow, 1 TiB: bodies travel in
	// chunks, and nobody holds a whole one. Above 900,000 bytes the service's
	// handler must be one that takes them so.
	MaxBodyLimit = 1 << 40

	maxMethods    = 16
	maxMethodLen  = 32
	anyHostPrefix = "*."
)

// ErrInvalidRoutes is wrapped by every error about a document that can't be
// read or doesn't hold together.
var ErrInvalidRoutes = errors.New("registry: invalid routes document")

// Routes is the document that says which service answers what. It is changed
// as a whole, so that one revision is one consistent state.
type Routes struct {
	// Version is RoutesVersion or RoutesVersion2.
	Version int `json:"version" yaml:"version"`
	// Goals are those of all services and routes that state none; see Routes.GoalsOf.
	// Empty: DefaultGoals.
	Goals Goals `json:"goals,omitempty" yaml:"goals,omitempty,flow"`
	// Rules is what holds for a service as a whole, whatever the route.
	Rules []ServiceRules `json:"services,omitempty" yaml:"services,omitempty"`
	// Experiments are in documents of version 2 only, sorted by their names, as Ask is.
	Experiments []Experiment `json:"-" yaml:"-"`
	Ask         *AskVersion  `json:"-" yaml:"-"`
	// Routes in any order: precedence follows from what they match (see
	// Router.Match), never from where they stand.
	Routes []Route `json:"routes" yaml:"routes"`
}

// Route sends the requests that it matches to one service.
type Route struct {
	// Name is for people: logs, metrics and errors. Optional; letters,
	// digits, '.', '_', '-', 1 to 63 bytes, unique in the document. In a
	// compiled Router a route without one is named after its match.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Match is what a request must look like.
	Match Match `json:"match" yaml:"match"`
	// Service is the name that instances register under.
	Service string `json:"service" yaml:"service"`
	// Timeout is the request's whole time budget, MinTimeout to MaxTimeout.
	// Zero means DefaultTimeout.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	// MaxBody is the largest request body in bytes, up to MaxBodyLimit.
	// Zero means DefaultMaxBody.
	MaxBody int `json:"max_body,omitempty" yaml:"max_body,omitempty"`
	// Hash is what of a request chooses the instance, so that requests that
	// are equal in it go to the same one: see ParseHash. Empty: any instance,
	// by weight, load and latency.
	Hash string `json:"hash,omitempty" yaml:"hash,omitempty"`
	// Admission is AdmissionOwn for a route whose requests have a limit of
	// their own on how many are under way, apart from the service's other
	// routes. Empty: the limit is the service's.
	Admission string `json:"admission,omitempty" yaml:"admission,omitempty"`
	// Priority is who is let in first while the service is overloaded: one of
	// the constants Priority…. Empty means PriorityNormal.
	Priority string `json:"priority,omitempty" yaml:"priority,omitempty"`
	// Hedge says whether a request that takes longer than nearly all have
	// lately is sent to a second instance too, of which the first answer
	// counts: HedgeOn, HedgeOff, or empty for GET, HEAD and OPTIONS only.
	Hedge string `json:"hedge,omitempty" yaml:"hedge,omitempty"`
	// Goals are times that the route's requests should be answered in: for
	// each, how many are is counted. Rising. Empty: its service's.
	Goals Goals `json:"goals,omitempty" yaml:"goals,omitempty,flow"`
}

// AdmissionOwn is for Route.Admission.
const AdmissionOwn = "own"

// The values of Route.Priority, first to last.
const (
	PriorityHealth = "health" // never refused for the service's limit: health checks, which are few
	PriorityHigh   = "high"
	PriorityNormal = "normal"
	PriorityLow    = "low"
)

// What Route.Hedge may be.
const (
	HedgeOn  = "on" // whatever the method: each request may be carried out twice
	HedgeOff = "off"
)

// Match is a conjunction: all that is set must hold.
type Match struct {
	// Path is matched as a whole. Exactly one of Path and Prefix is set.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`
	// Prefix matches itself and what is below: "/a" matches "/a" and "/a/b"
	// but not "/ab"; "/a/" matches "/a/" and "/a/b" but not "/a".
	Prefix string `json:"prefix,omitempty" yaml:"prefix,omitempty"`
	// Methods are upper-case tokens; none means any method. GET includes
	// HEAD.
	Methods []string `json:"methods,omitempty" yaml:"methods,omitempty,flow"`
	// Host is a host name or address without port, or "*." and a domain,
	// which matches every name below it. Case doesn't matter. Empty means
	// any host.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`
}

// String is the match in one word, such as "GET,POST *.example.com/api/*".
func (m Match) String() string {
	var b strings.Builder
	if len(m.Methods) > 0 {
		b.WriteString(strings.Join(m.Methods, ","))
		b.WriteByte(' ')
	}
	b.WriteString(strings.ToLower(m.Host))
	if m.Path != "" {
		b.WriteString(m.Path)
		return b.String()
	}
	b.WriteString(strings.TrimSuffix(m.Prefix, "/"))
	b.WriteString("/*")
	return b.String()
}

// Duration is a time.Duration that is written as "2s" or "150ms" in
// documents.
type Duration time.Duration

// Std is d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the form that documents use, without the zero minutes and
// seconds that time.Duration appends ("5m", not "5m0s").
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// MarshalYAML writes the duration as a string.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalJSON reads a duration string. Its range is for Validate.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf(`registry: duration %s is not a string such as "2s"`, clip(string(b)))
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf(`registry: duration %q: want a number with a unit, such as "2s" or "150ms"`, clip(s))
	}
	*d = Duration(v)
	return nil
}

// Services lists the services that the document refers to, sorted, each
// once.
func (r *Routes) Services() []string {
	if r == nil {
		return nil
	}
	seen := make(map[string]struct{})
	for i := range r.Routes {
		seen[r.Routes[i].Service] = struct{}{}
	}
	return sortedKeys(seen)
}

// Marshal writes the document as the JSON that etcd holds: indented, because
// people read and edit it there, unless only the compact form fits into
// MaxDocument. A document that doesn't fit at all is an error.
func (r *Routes) Marshal() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil && len(b) >= MaxDocument {
		b, err = json.Marshal(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRoutes, err)
	}
	if len(b) >= MaxDocument {
		return nil, fmt.Errorf("%w: document has %d bytes: want less than %d", ErrInvalidRoutes, len(b), MaxDocument)
	}
	return append(b, '\n'), nil
}

// DefaultRoutes is what a system starts with: /hello and everything under
// /echo to the service echo, all the rest to web. Each call returns a
// document of its own.
func DefaultRoutes() *Routes {
	return &Routes{Version: RoutesVersion, Routes: []Route{
		{Name: "hello", Match: Match{Path: "/hello"}, Service: "echo"},
		{Name: "echo", Match: Match{Prefix: "/echo"}, Service: "echo"},
		{Name: "web", Match: Match{Prefix: "/"}, Service: "web"},
	}}
}
