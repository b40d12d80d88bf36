package registry

import "time"

// Instance is one live process that takes requests for a service.
//
// In etcd it is the JSON value of instances/SERVICE/ID.
type Instance struct {
	// Service is the name that routes refer to: lower-case letters, digits
	// and '-', 1 to 63 bytes.
	Service string `json:"service"`
	// ID tells the instances of a service apart. The same alphabet as
	// Service, plus '.' and '_', 1 to 63 bytes.
	ID string `json:"id"`
	// Address is where the instance's bus listens: "tcp://host:port",
	// "tls+tcp://host:port" or "ipc:///path".
	Address string `json:"address"`
	// Version is the version of the handler's code, free text of at most
	// 63 printable ASCII bytes. Empty means unversioned.
	Version string `json:"version,omitempty"`
	// Window is how many requests the instance takes at once; at least 1.
	Window int `json:"window"`
	// Weight is its share of the requests among the service's instances. It
	// may change while the instance lives. Zero means DefaultWeight.
	Weight Weight `json:"weight,omitempty"`
	// WeightBy is who has set Weight in place of the instance itself
	// (Intent); empty: nobody has. An instance doesn't say it of itself.
	WeightBy string `json:"weight_by,omitempty"`
	// Admin is the instance's admin address ("host:port"), empty if it has
	// none. The operator's tool reads live figures from there.
	Admin string `json:"admin,omitempty"`
	// Owner, if it isn't empty, names the data that the instance serves and
	// shares with no other; the alphabet of ID. Of a service with owners one
	// instance is registered at most: a second one with other data would
	// answer for a half of it.
	Owner string `json:"owner,omitempty"`
	// Started is when the process started.
	Started time.Time `json:"started"`
}

// Snapshot is the state of the system as one consistent view. A Snapshot is
// immutable once handed out; receivers may keep it.
type Snapshot struct {
	// Instances is sorted by Service, then ID.
	Instances []Instance
	// Routes is the last valid routes document; nil until one is known.
	Routes *Routes
	// Revision is etcd's of Routes, or of the last change of toggles if that is later; 0 where there
	// is none, as in a static table.
	Revision int64
	// Stamp says that requests are to carry Revision, whatever Routes say: there are toggles, which
	// handlers decide as of it.
	Stamp bool
	// Intents are what operators want of terminators. What they want of
	// instances is in Instances already.
	Intents []Intent
	// Processes are those besides the instances that a static table lists. In
	// etcd processes are watched apart from what requests need.
	Processes []Process
}
