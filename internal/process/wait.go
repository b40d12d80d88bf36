package process

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// ReadyTimeout is how long [Group.WaitFor] waits at most.
	ReadyTimeout = time.Minute
	readyEach    = 20 * time.Millisecond
)

// WaitFor tries until it succeeds, one of the group's processes ends, or ctx does. The error says
// why, and what the process that ended has printed.
func (g *Group) WaitFor(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(readyEach)
	defer tick.Stop()
	var last error // that says more than that the time is over
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		for _, p := range g.Processes() {
			if p.Ended() {
				return fmt.Errorf("%w: %s, while waiting for %s; its last words: %s", ErrEnded, p.Name, what, p.Output())
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return fmt.Errorf("waited %v for %s in vain: %w", ReadyTimeout, what, last)
			}
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
