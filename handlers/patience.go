package handlers

import (
	"errors"
	"sync"
	"time"

	"nanofront/nanobus"
)

const (
	// ReturnTime is how long after the last instance of a service has gone it
	// is expected back. Calls don't wait for one that has been away for longer.
	ReturnTime = 10 * time.Second

	// maxWaiting is how many calls of a service may wait at once. Others fail
	// as if they weren't patient.
	maxWaiting = 8192
	// waitTick is how often waiting calls are checked.
	waitTick = 5 * time.Millisecond
	// waitReserve is how much of its exchange's time a call that waits in vain leaves, so that the
	// exchange can still be answered in time.
	waitReserve = 50 * time.Millisecond
)

// waiting are a client's patient calls that have no instance to go to, oldest
// first. A goroutine of the runtime looks after them while there are any.
type waiting struct {
	mu    sync.Mutex
	calls []*Call
	runs  bool
}

// wait takes a failed call, unless it shouldn't be tried again. The call then ends later, with the
// result of the next try.
func (cl *Client) wait(c *Call, err error) bool {
	x := c.Patient
	if x == nil || !c.repeatable(err) || cl.svc.Gone() > ReturnTime || x.Remaining() <= waitReserve {
		return false
	}
	w := &cl.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) >= maxWaiting {
		return false
	}
	cl.rt.metrics.waited.Inc()
	c.bus.Release()
	c.Err = err
	w.calls = append(w.calls, c)
	if !w.runs {
		w.runs = true
		cl.rt.tasks.Go(cl.lookAfter) // ends when nobody waits: with the links at the latest
	}
	return true
}

// repeatable reports whether the call was surely not acted upon, or may be made
// once more.
func (c *Call) repeatable(err error) bool {
	var remote *nanobus.RemoteError
	switch {
	case errors.Is(err, nanobus.ErrNoInstance):
		return true
	case errors.As(err, &remote):
		return remote.Code == nanobus.CodeDraining || remote.Code == nanobus.CodeNoHandler
	case errors.Is(err, nanobus.ErrLinkDown) && !c.repeated:
		c.repeated = c.reads()
		return c.repeated
	}
	return false
}

func (cl *Client) lookAfter() {
	tick := time.NewTicker(waitTick)
	defer tick.Stop()
	for range tick.C {
		if !cl.tryWaiting() {
			return
		}
	}
}

// tryWaiting sends what can be sent, ends what has waited for long enough, and
// reports whether anybody still waits.
func (cl *Client) tryWaiting() bool {
	w := &cl.waiting
	w.mu.Lock()
	calls := w.calls
	w.calls = nil
	w.mu.Unlock()

	var left []*Call
	away := false
	for _, c := range calls {
		err := c.Err
		switch {
		case c.Patient.Remaining() <= waitReserve, cl.svc.Gone() > ReturnTime:
		case c.Patient.cancelled():
			err = nanobus.ErrCancelled
		case away:
			left = append(left, c)
			continue
		default:
			c.Err = nil
			c.prepareBus()
			again := cl.svc.Go(c.bus, c.Request.wire(), c.Patient.Remaining()-waitReserve/2)
			if again == nil {
				continue // it may have ended already, and be another by now
			}
			c.Err = err
			if errors.Is(again, nanobus.ErrNoInstance) || errors.Is(again, nanobus.ErrNoCredit) {
				away = true
				left = append(left, c)
				continue
			}
			err = again
		}
		c.close(err)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(left, w.calls...)
	w.runs = len(w.calls) > 0
	return w.runs
}
