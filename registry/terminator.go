package registry

import (
	"errors"
	"time"
)

// Terminator is one running front. Nobody needs to know it but the operator:
// in etcd it is the JSON value of terminators/ID.
type Terminator struct {
	// ID tells the terminators apart; as an Instance's.
	ID string `json:"id"`
	// Host is the name of the machine or container that it runs on, at most
	// 255 printable ASCII bytes.
	Host string `json:"host,omitempty"`
	// HTTP is the address that it listens on for clients.
	HTTP string `json:"http"`
	// Admin is its admin address ("host:port"), empty if it has none.
	Admin string `json:"admin,omitempty"`
	// Version is that of its code, as an Instance's.
	Version string `json:"version,omitempty"`
	// Started is when the process started.
	Started time.Time `json:"started"`
}

// ErrInvalidTerminator is wrapped by every error of Terminator.Validate.
var ErrInvalidTerminator = errors.New("registry: invalid terminator")

// Validate reports every field of the terminator that is out of range, or nil.
// The error wraps ErrInvalidTerminator.
func (t Terminator) Validate() error {
	var p problems
	if !validID(t.ID) {
		p.at("", "id", "%q is not a terminator's name: want %s", clip(t.ID), idRule)
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"host", t.Host, 255}, {"http", t.HTTP, 255}, {"version", t.Version, maxNameLen}} {
		if len(f.value) > f.limit || !printable(f.value) {
			p.at("", f.name, "%q: want at most %d printable ASCII bytes", clip(f.value), f.limit)
		}
	}
	if t.Admin != "" {
		if err := validHostPort(t.Admin); err != nil {
			p.at("", "admin", "%q %v: want HOST:PORT, or nothing", clip(t.Admin), err)
		}
	}
	return p.err(ErrInvalidTerminator)
}
