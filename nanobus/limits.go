package nanobus

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

const (
	// maxControl bounds what a peer may have us do in a second besides
	// requests: an honest one needs a few pings.
	maxControl = 4096

	// maxGreeting bounds the accepted links that have not introduced
	// themselves.
	maxGreeting = 256

	// maxPeerLinks bounds the accepted links of one process. One is
	// what there should be; more are there for a while when a process
	// reconnects faster than its half-open links are found out.
	maxPeerLinks = 16

	// windowGrace is for how long after a window has shrunk requests are taken
	// that the old one allowed: they were on their way.
	windowGrace = 2 * time.Second

	// maxLinkEvents bounds one link's events in the queue, so that one peer
	// can't fill it (maxEvents) for all.
	maxLinkEvents = 512

	// eventUnit is how many bytes of payload count for an event of their own
	// against maxLinkEvents and maxEvents: 32 MiB wait at most.
	eventUnit = 32 << 10
)

// errFlood: a peer that makes more work than it may.
var errFlood = errors.New("nanobus: flood")

// controlCost is what frames count for against maxControl. A hello may change which
// links are chosen from, under the lock of the bus. Others are bounded by
// themselves (requests by the window, cancels by the requests, events by their
// queue) or cost next to nothing.
var controlCost = [256]int32{wire.KindHello: 64, wire.KindPing: 1, wire.KindPong: 1, wire.KindDraining: 1, wire.KindProof: 64}

// controlCount is what a peer has made us do in this second.
type controlCount struct{ atomic.Int32 }

// add notes work that a peer has made.
func (n *controlCount) add(cost int32) error {
	if n.Add(cost) > maxControl {
		return fmt.Errorf("%w: more than %d pings, or %d hellos, in a second", errFlood, maxControl, maxControl/controlCost[wire.KindHello])
	}
	return nil
}
