package chaos

import (
	"context"
	"time"
)

// Fault is something that happens to a system.
type Fault struct {
	// Name and About say what it is.
	Name, About string
	// Prepare is done before the load begins. It may skip the fault by an error that wraps errSkip.
	Prepare func(ctx context.Context, b *bed) error
	// Inject does it. What goes on for a while goes on until ctx ends, which is when it is to heal.
	Inject func(ctx context.Context, b *bed) error
	// Heal undoes it; nil if there is nothing to undo.
	Heal func(ctx context.Context, b *bed) error
	// Clear undoes Prepare, after the load.
	Clear func(ctx context.Context, b *bed) error
	// Look tells what else is wrong after it; nil if nothing else can be.
	Look func(ctx context.Context, b *bed) ([]string, error)
	// Expect is what it may cost.
	Expect Expectation
	// Churn: reads have a connection each.
	Churn bool
	// Front: the terminator doesn't outlive it, and with it go its counters.
	Front bool
	// Long: it takes minutes to prepare, and has no place in a short run.
	Long bool
}

// Expectation bounds what a fault costs.
type Expectation struct {
	// ReadsLost and WritesLost are how many requests may time out or fail at most, at a thousand
	// reads and two hundred writes a second; at other rates in proportion. Any: as many as do.
	ReadsLost, WritesLost int
	// Refused is the share of all requests that may be refused.
	Refused float64
	// Within is how soon after it nothing is lost or refused any more.
	Within time.Duration
}

// Any is no bound.
const Any = -1

const (
	// noise is the share that a busy machine may have refused without a fault.
	noise = 0.02
	// soon is how long a system that has been healed may still lose something, by a clock that
	// only knows seconds.
	soon = 2 * time.Second
)

// unharmed is what most faults should cost.
var unharmed = Expectation{Refused: noise, Within: soon}
