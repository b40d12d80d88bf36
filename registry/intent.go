package registry

import (
	"errors"
	"time"
)

// Intent is what an operator wants of one process, whatever that says of itself, for as long as it
// lives. In etcd it is the JSON value of intents/SERVICE/ID, or, of a terminator, of
// intents/@terminator/NAME.
type Intent struct {
	// Service and ID are those of the instance. A terminator has the service KindTerminator with
	// Terminator set, and its name as ID.
	Service    string `json:"service"`
	ID         string `json:"id"`
	Terminator bool   `json:"terminator,omitempty"`
	// Weight takes the place of the instance's own. Of a terminator only NoWeight means something:
	// it isn't ready, and serves all the same.
	Weight Weight `json:"weight"`
	// By is who wants it, for people: at most 63 printable ASCII bytes.
	By string `json:"by,omitempty"`
	// At is since when.
	At time.Time `json:"at"`
	// Started is when the process started that it is meant for: it doesn't hold for another one
	// of the same name.
	Started time.Time `json:"started"`
}

// ErrInvalidIntent is wrapped by every error of Intent.Validate.
var ErrInvalidIntent = errors.New("registry: invalid intent")

// Validate reports every field that is out of range, or nil. The error wraps ErrInvalidIntent.
func (i Intent) Validate() error {
	var p problems
	if !validName(i.Service) {
		p.at("", "service", "%q is not a name: want %s", clip(i.Service), nameRule)
	}
	if !validID(i.ID) {
		p.at("", "id", "%q is not an instance name: want %s", clip(i.ID), idRule)
	}
	if !i.Weight.valid() {
		p.at("", "weight", "%d: want %s", int(i.Weight), weightRule())
	}
	if len(i.By) > maxNameLen || !printable(i.By) {
		p.at("", "by", "%q: want at most %d printable ASCII bytes", clip(i.By), maxNameLen)
	}
	return p.err(ErrInvalidIntent)
}

// Apply gives the instance the weight that is meant for it, and reports whether the intent is for
// that process.
func (i Intent) Apply(in *Instance) bool {
	if i.Terminator || in.Service != i.Service || in.ID != i.ID || !in.Started.Equal(i.Started) {
		return false
	}
	in.Weight, in.WeightBy = i.Weight, i.By
	if in.WeightBy == "" {
		in.WeightBy = "somebody"
	}
	return true
}
