package link

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"nanofront/nanobus/wire"
)

const (
	// maxControl bounds the work other than requests that a peer may cause in a second: an honest
	// one needs a few pings.
	maxControl = 4096

	// MaxGreeting bounds the accepted links that have not introduced
	// themselves.
	MaxGreeting = 256

	// MaxPeerLinks bounds the accepted links of one process. There should be one; there are more
	// for a while when a process reconnects faster than its half-open links are detected.
	MaxPeerLinks = 16

	// windowGrace is how long after a window has shrunk requests that the old one allowed are still
	// accepted: they were on their way.
	windowGrace = 2 * time.Second

	// MaxLinkEvents bounds one link's events in the queue, so that one peer
	// can't fill it (maxEvents) for all.
	MaxLinkEvents = 512

	// EventUnit is how many bytes of payload count for an event of their own
	// against maxLinkEvents and maxEvents: 32 MiB wait at most.
	EventUnit = 32 << 10
)

// errFlood: a peer causes more work than allowed.
var errFlood = errors.New("nanobus: flood")

// controlCost is what frames count for against maxControl. A hello may change the choice of links,
// under the lock of the bus. Other kinds have limits of their own (requests the window, cancels the
// requests, events their queue) or cost next to nothing.
var controlCost = [256]int32{wire.KindHello: 64, wire.KindPing: 1, wire.KindPong: 1, wire.KindDraining: 1, wire.KindProof: 64}

// controlCount is the work that a peer has caused in this second.
type controlCount struct{ atomic.Int32 }

// add notes work that a peer has caused.
func (n *controlCount) add(cost int32) error {
	if n.Add(cost) > maxControl {
		return fmt.Errorf("%w: more than %d pings, or %d hellos, in a second", errFlood, maxControl, maxControl/controlCost[wire.KindHello])
	}
	return nil
}
