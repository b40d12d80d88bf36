package nanobus

import (
	"sync/atomic"
)

// Instance is a process to be linked with.
type Instance struct {
	// Service and ID name it; the pair is unique.
	Service, ID string
	// Address is where it listens: tcp://HOST:PORT, tls+tcp://HOST:PORT or
	// ipc:///PATH.
	Address string
	// Version is the version of its code.
	Version string
	// Weight is its share of the requests among the service's instances, 1 to
	// MaxWeight. 0 means DefaultWeight, NoWeight that it gets none. It may
	// change from one SetInstances to the next; the link stays.
	Weight int
	// EventsOnly: no requests will be sent to it.
	EventsOnly bool
}

type instanceKey struct{ service, id, address string }

func (i *Instance) key() instanceKey { return instanceKey{i.Service, i.ID, i.Address} }

// instance is an Instance in the table, with what dials it. All but what is
// atomic is guarded by Bus.mu.
type instance struct {
	Instance
	socket  *socket
	link    atomic.Pointer[Link]
	missing int64 // bus time since which discovery doesn't list it; 0: it does

	useless   atomic.Int32 // links in a row that were of no use
	holdUntil atomic.Int64 // bus time before which it is not dialled again
}
