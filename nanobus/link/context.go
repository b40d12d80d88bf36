package link

import (
	"context"
	"sync"
	"time"
)

// requestContext is the context.Context of a Request. Most handlers never ask
// for Done; those that do get a channel and a timer then, and not before.
type requestContext struct {
	r *Request // whose part it is; doesn't change

	mu    sync.Mutex
	done  chan struct{}
	err   error
	timer *time.Timer
}

func (c *requestContext) used() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		return false
	}
	// The request has been answered: nobody needs the channel open.
	c.finish(context.Canceled)
	return true
}

// end is finish for a caller that doesn't hold mu.
func (c *requestContext) end(err error) {
	c.mu.Lock()
	c.finish(err)
	c.mu.Unlock()
}

func (c *requestContext) finish(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
}

// moved is called when the request's deadline has become another.
func (c *requestContext) moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && c.err == nil {
		c.timer.Reset(c.r.Remaining())
	}
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) {
	return c.r.link.bus.Epoch.Add(c.r.Deadline()), true
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		} else {
			c.timer = time.AfterFunc(c.r.Remaining(), func() { c.end(context.DeadlineExceeded) })
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.r.Remaining() <= 0 {
		c.finish(context.DeadlineExceeded)
	}
	return c.err
}

// Value implements context.Context.
func (c *requestContext) Value(any) any { return nil }
