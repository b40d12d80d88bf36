package nanobus

import (
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
)

// removeGrace is how long an instance that discovery no longer lists stays
// linked. A handler that leaves says draining; one that died breaks its link;
// so an instance that is only missing from the list is most likely alive and
// about to register again, as after etcd has lost its data.
const removeGrace = 10 * time.Second

// An instance whose address refuses is dialled every so often: leastRedial, so that one that is
// back is found soon, but with many instances, most of which may be dead, only so that each has its
// share of the time.
const (
	leastRedial = 200 * time.Millisecond
	redialShare = 5 * time.Millisecond
)

// What Instance.Weight may be, besides 1 to MaxWeight.
const (
	// DefaultWeight is the weight of an instance that has none of its own.
	DefaultWeight = balance.DefaultWeight
	// MaxWeight is the largest weight.
	MaxWeight = balance.MaxWeight
	// NoWeight takes an instance out: it gets no new requests. Its link stays,
	// so that what is under way ends as usual and taking it back in costs
	// nothing.
	NoWeight = balance.NoWeight
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
	dialled link.Dialled // the same, for its links
	socket  *sp.Socket
	link    atomic.Pointer[Link]
	missing int64 // bus time since which discovery doesn't list it; 0: it does

	failures  atomic.Int32 // links in a row that were of no use
	holdUntil atomic.Int64 // bus time before which it is not dialled again
}

// SetInstances says with which processes the bus is to be linked: all that are
// listed, and no others. New ones are dialled, and redialled for ever when
// they go; one that is no longer listed is let go at once if its link is down,
// else after removeGrace.
// Instances with an address that can't be dialled are skipped and named in
// the error.
func (b *Bus) SetInstances(list []Instance) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	now := b.node.Nanos()
	listed := make(map[instanceKey]bool, len(list))
	var bad []error
	for i := range list {
		in := &list[i]
		listed[in.key()] = true
		if have := b.instances[in.key()]; have != nil {
			have.missing = 0
			if have.Weight != in.Weight || have.Version != in.Version {
				have.Weight, have.Version = in.Weight, in.Version
				b.service(in.Service).rebuild()
			}
			continue
		}
		if err := b.dial(*in); err != nil {
			bad = append(bad, err)
		}
	}
	for k, in := range b.instances {
		if !listed[k] && in.missing == 0 {
			in.missing = now
		}
	}
	b.prune(now)
	if len(bad) > 0 {
		return fmt.Errorf("can't dial %d instances, the first: %w", len(bad), bad[0])
	}
	return nil
}

// dial adds an instance to the table and starts to connect. mu is held.
func (b *Bus) dial(i Instance) error {
	in := &instance{Instance: i, dialled: link.Dialled{Service: i.Service, ID: i.ID, Address: i.Address, EventsOnly: i.EventsOnly}}
	s, err := sp.NewSocket(&b.sockets, in, func() error {
		if b.node.Nanos() < in.holdUntil.Load() {
			return errTooEarly
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.DialEvery(min(max(leastRedial, time.Duration(len(b.instances))*redialShare), maxRedial)); err != nil {
		_ = s.Close()
		return err
	}
	if err := s.Dial(i.Address); err != nil {
		_ = s.Close()
		return err
	}
	in.socket = s
	b.instances[i.key()] = in
	return nil
}
