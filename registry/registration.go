package registry

import "context"

// Registration keeps one instance known for as long as it is open. It is an
// interface, here and not with a consumer, because both kinds of discovery
// (package etcd and the static table) return it from Register, and a method's
// result type must be the same for one interface to cover both.
type Registration interface {
	// Ready is closed once the instance can be found by others for the
	// first time.
	Ready() <-chan struct{}
	// Refused is closed when the instance is not to be found, ever: its
	// service has another owner (Instance.Owner). Err says who.
	Refused() <-chan struct{}
	// Err is nil while the instance can be found by others, as far as is
	// known; else it says why not, to an operator.
	Err() error
	// Update replaces the record, for a new window or version. Service and
	// ID can't change.
	Update(Instance) error
	// Close makes the instance unknown, and waits for that until ctx ends.
	// It may be called more than once.
	Close(ctx context.Context) error
}
