package registry

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strings"
	"time"
)

// The kinds of processes that nanofront has itself. Others may be registered:
// a kind is a name as a service's.
const (
	KindTerminator = "terminator"
	KindHandler    = "handler"
	KindRegister   = "register"
	KindUp         = "up"
	KindDash       = "dash"
)

// DefaultSystem is the name of a system whose prefix in etcd says none.
const DefaultSystem = "nanofront"

// Process is one running process of the system. No request needs to know it:
// it is there for operators, and for what collects figures. In etcd it is the
// JSON value of processes/KIND/NAME, and of processes/KIND/SERVICE/NAME for one
// with a service.
type Process struct {
	// Kind is what it is: KindTerminator, KindHandler and so on; as an
	// Instance's Service.
	Kind string `json:"kind"`
	// Name tells the processes of a kind and service apart; as an Instance's ID,
	// which it is of a handler.
	Name string `json:"name"`
	// Service is what a handler serves, as an Instance's; others have none.
	Service string `json:"service,omitempty"`
	// System is the name of the system that it is a part of, as SystemName
	// gives it; as an Instance's ID.
	System string `json:"system,omitempty"`
	// Version is that of its code, as an Instance's.
	Version string `json:"version,omitempty"`
	// Host is the name of the machine or container that it runs on, at most
	// 255 printable ASCII bytes.
	Host string `json:"host,omitempty"`
	// PID is its id on that machine.
	PID int `json:"pid,omitempty"`
	// StartID is drawn when the process starts: of two looks that find
	// different ones, the second sees counters that began from 0 again.
	StartID string `json:"start_id,omitempty"`
	// Started is when the process started.
	Started time.Time `json:"started"`
	// Admin is its admin address ("host:port"), empty if it has none. See
	// AdminFrom.
	Admin string `json:"admin,omitempty"`
	// HTTP is the address at which a terminator listens for clients.
	HTTP string `json:"http,omitempty"`
}

// ErrInvalidProcess is wrapped by every error of Process.Validate.
var ErrInvalidProcess = errors.New("registry: invalid process")

// Validate reports every field of the process that is out of range, or nil.
// The error wraps ErrInvalidProcess.
func (p Process) Validate() error {
	var bad problems
	p.check(&bad, "")
	return bad.err(ErrInvalidProcess)
}

func (p Process) check(bad *problems, place string) {
	if !validName(p.Kind) {
		bad.at(place, "kind", "%q is not a kind of process: want %s", clip(p.Kind), nameRule)
	}
	if !validID(p.Name) {
		bad.at(place, "name", "%q is not a process' name: want %s", clip(p.Name), idRule)
	}
	if p.Service != "" && !validName(p.Service) {
		bad.at(place, "service", "%q is not a service name: want %s", clip(p.Service), nameRule)
	}
	if p.System != "" && !validID(p.System) {
		bad.at(place, "system", "%q is not a system's name: want %s", clip(p.System), idRule)
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"host", p.Host, 255}, {"http", p.HTTP, 255}, {"version", p.Version, maxNameLen}, {"start_id", p.StartID, maxNameLen}} {
		if len(f.value) > f.limit || !printable(f.value) {
			bad.at(place, f.name, "%q: want at most %d printable ASCII bytes", clip(f.value), f.limit)
		}
	}
	if p.PID < 0 {
		bad.at(place, "pid", "%d: want 0 or more", p.PID)
	}
	if p.Admin != "" {
		if err := validHostPort(p.Admin); err != nil {
			bad.at(place, "admin", "%q %v: want HOST:PORT, or nothing", clip(p.Admin), err)
		}
	}
}

// AdminFrom is the admin address as it is reached from a machine, by its name;
// empty if it isn't. A loopback address leads to the process on its own
// machine, and to something else on any other.
func (p Process) AdminFrom(host string) string {
	at, _, err := net.SplitHostPort(p.Admin)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(at)
	loopback := at == "localhost" || ip != nil && ip.IsLoopback()
	if loopback && p.Host != "" && p.Host != host {
		return ""
	}
	return p.Admin
}

// ValidSystem reports whether s can name a system: 1 to 63 lower-case letters,
// digits, '-', '.' and '_'.
func ValidSystem(s string) bool { return validID(s) }

// SystemName is the name of the system that has a prefix in etcd, where it was
// given no other: "/staging/nanofront/" is "staging-nanofront", and
// "/nanofront/v1/", whose last part is a version, is "nanofront".
func SystemName(prefix string) string {
	parts := strings.FieldsFunc(prefix, func(r rune) bool { return r == '/' })
	if n := len(parts); n > 1 && isVersion(parts[n-1]) {
		parts = parts[:n-1]
	}
	name := clean(strings.Join(parts, "-"), maxNameLen)
	if name == "" {
		return DefaultSystem
	}
	return name
}

// isVersion tells "v1".
func isVersion(s string) bool {
	return len(s) > 1 && s[0] == 'v' && strings.Trim(s[1:], "0123456789") == ""
}

// AllProcesses are the processes that the snapshot knows, sorted: Processes,
// and its instances that aren't among them.
func (s *Snapshot) AllProcesses() []Process {
	list := slices.Clone(s.Processes)
	for _, in := range s.Instances {
		if slices.ContainsFunc(s.Processes, func(p Process) bool { return p.Kind == KindHandler && p.Service == in.Service && p.Name == in.ID }) {
			continue
		}
		list = append(list, Process{Kind: KindHandler, Name: in.ID, Service: in.Service, Version: in.Version, Started: in.Started, Admin: in.Admin})
	}
	SortProcesses(list)
	return list
}

// SortProcesses sorts by Kind, then Service, then Name.
func SortProcesses(list []Process) {
	slices.SortFunc(list, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
}
