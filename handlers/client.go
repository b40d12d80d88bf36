package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// DefaultCallBudget is how long a call may take when its caller has no
// deadline of its own.
const DefaultCallBudget = 5 * time.Second

// Client calls one other service. It is made by Runtime.Client and safe for
// concurrent use.
type Client struct {
	rt  *Runtime
	svc *nanobus.Service

	waiting waiting
	lists   httpmsg.VersionLists
}

// Call is one request to another service and its answer. The zero Call is ready for use;
// [AcquireCall] saves its allocations.
type Call struct {
	// Request is the request to send; its bytes are the caller's, and are encoded before Go
	// returns.
	Request Request
	// Response is the answer if Err is nil. It is valid until Done returns or
	// the Call is released, whichever is first with Go; until Release with
	// Do.
	Response Response
	// Err is ErrUnavailable, nanobus.ErrTimeout, or whatever else went wrong.
	Err error
	// Done is called once when the call has ended, on the goroutine that
	// reads the link: it must not block, and it releases the Call. If it
	// panics, the process lives, and the Exchange for which the call was made,
	// if that is User or else Patient, fails with 500.
	Done func(*Call)
	// User is the caller's own.
	User any
	// Patient, if not nil, is the Exchange for which the call is made with Go or GoAll: within its
	// time, the call waits for an instance of a service that had one within ReturnTime, and a GET
	// or HEAD is made once more when its link breaks, or sent to a second instance when the first
	// is silent or slow. So a service can restart unnoticed. The Request's bytes must then be valid
	// until Done.
	Patient *Exchange
	// Key, if not 0, chooses the instance: calls with the same key go to the same one, from every
	// process, as long as it lives and doesn't have more than its share of work. It is for
	// instances that cache data, or work that is cheaper together. Any number will do: it is
	// hashed. Release resets it.
	Key uint64

	client   *Client
	bus      *nanobus.Call
	turn     uint64 // of the Exchange for which the call is made
	repeated bool   // once, after its link broke
	span     callSpan
	stays    bool // the Request's bytes do, until the call has ended
}

var callPool = sync.Pool{New: func() any {
	c := &Call{}
	c.prepare()
	return c
}}

// prepare makes a zero Call ready for the bus.
func (c *Call) prepare() {
	if c.bus == nil {
		c.bus = nanobus.NewCall()
		c.bus.User = c
		c.bus.Done = callDone
	}
}

// AcquireCall returns an empty Call.
func AcquireCall() *Call {
	return callPool.Get().(*Call) //nolint:forcetypeassert // the pool has nothing else
}

// Body returns the answer's whole body. Only with Options.Bodies can it be more than Response.Body,
// which is then its beginning; reading blocks until more arrives. Only for calls by Do, until
// Release.
func (c *Call) Body() io.Reader {
	if c.bus == nil || c.bus.Download == nil {
		return bytes.NewReader(c.Response.Body)
	}
	return io.MultiReader(bytes.NewReader(c.Response.Body), c.bus.Download)
}

// Release makes the Call reusable. It and its Response must not be used
// afterwards.
func (c *Call) Release() {
	c.prepare()
	c.bus.Release()
	c.Request.wire().Reset()
	c.Response.release()
	if c.span.of.traced() { // else it needs no clearing, which would cost every call
		c.span = callSpan{}
	}
	c.Err, c.Done, c.User, c.Key, c.Patient, c.client, c.turn, c.repeated, c.stays = nil, nil, nil, 0, nil, nil, 0, false, false
	callPool.Put(c)
}

// Go starts the call and returns. c.Done is called when it has ended, within
// budget; it may be before Go returns.
func (cl *Client) Go(c *Call, budget time.Duration) {
	cl.begin(c)
	if err := c.Request.wire().Check(); err != nil {
		c.end(err)
		return
	}
	if err := cl.svc.Go(c.bus, c.Request.wire(), budget); err != nil {
		c.end(err)
	}
}

// GoAll starts the calls so that they reach an instance in as few messages as its window allows,
// and its BatchHandler gets them as one batch. Each call with a Key goes to its own instance, those
// for the same one together.
func (cl *Client) GoAll(calls []*Call, budget time.Duration) {
	bus := make([]*nanobus.Call, 0, len(calls))
	payloads := make([]nanobus.Payload, 0, len(calls))
	for _, c := range calls {
		cl.begin(c)
		if err := c.Request.wire().Check(); err != nil {
			c.end(err)
			continue
		}
		bus = append(bus, c.bus)
		payloads = append(payloads, c.Request.wire())
	}
	cl.svc.GoAll(bus, payloads, budget)
}

// begin notes what the call's end needs.
func (cl *Client) begin(c *Call) {
	c.prepare()
	c.client = cl
	x := c.exchange()
	if x != nil {
		c.Request.Decision, c.Request.Version = x.req.Decision, nil
	}
	c.prepareBus()
	if x != nil {
		c.turn = x.state.Load()
		if cl.rt.bus.Tapped() {
			c.passID(x.req.Header.Get("x-request-id"))
		}
		if cl.rt.opts.Tracer != nil {
			c.beginSpan(&x.span)
		}
	}
}

// prepareBus sets what the bus is to know of the call. A read may be sent to a second instance
// while the first has not answered, if the request's bytes are still there then.
func (c *Call) prepareBus() {
	c.bus.Key = c.Key
	if d := c.Request.Decision; len(d) > 0 {
		list := d.Versions(c.client.svc.Name())
		c.bus.Versions, c.Request.Version = c.client.lists.Of(list), httpmsg.FirstVersion(list)
	}
	c.bus.Repeat = nanobus.RepeatNever
	if (c.stays || c.Patient != nil) && c.reads() {
		c.bus.Repeat = nanobus.RepeatSlow
	}
}

// reads reports whether the request changes nothing.
func (c *Call) reads() bool {
	method := string(c.Request.Method)
	return method == "GET" || method == "HEAD"
}

// exchange is the one for which the call is made, if that is known.
func (c *Call) exchange() *Exchange {
	if x, ok := c.User.(*Exchange); ok {
		return x
	}
	return c.Patient
}

// Do calls and waits. A GET or HEAD may be sent to a second instance when the first is silent or
// slow. The Call must be released by the caller; its Done is not used. If ctx ends
// first, the error wraps ctx's, and the other side gets a cancel.
func (cl *Client) Do(ctx context.Context, c *Call) error {
	budget := DefaultCallBudget
	if d, ok := ctx.Deadline(); ok {
		budget = time.Until(d)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if budget <= 0 {
		return context.DeadlineExceeded
	}
	done := make(chan struct{})
	c.Patient = nil // ctx couldn't end the wait
	if cl.rt.opts.Tracer != nil {
		if s, ok := ctx.Value(spanKey{}).(*span); ok {
			c.client = cl
			c.beginSpan(s)
		}
	}
	if cl.rt.bus.Tapped() {
		if id, ok := ctx.Value(requestIDKey{}).([]byte); ok {
			c.passID(id)
		}
	}
	if d := httpmsg.DecisionOf(ctx); d != nil {
		c.Request.Decision, c.Request.Version = d, nil
	}
	c.stays = true
	c.Done = func(c *Call) {
		c.bus.Keep()
		close(done)
	}
	cl.Go(c, budget)
	select {
	case <-done:
	case <-ctx.Done():
		if id := c.bus.ID(); id != 0 {
			cl.rt.bus.Abort(id)
		}
		<-done
		if errors.Is(c.Err, nanobus.ErrCancelled) {
			c.Err = fmt.Errorf("call of %s: %w", cl.svc.Name(), ctx.Err())
		}
	}
	return c.Err
}

// callDone is Done of all bus calls.
func callDone(b *nanobus.Call) {
	c := b.User.(*Call) //nolint:forcetypeassert // set once, above
	if b.Err == nil {
		c.end(c.Response.decode(b.Payload))
		return
	}
	c.end(b.Err)
}

func (c *Call) end(err error) {
	if err == nil {
		c.close(nil)
	} else if !c.client.wait(c, err) {
		c.close(err)
	}
}

// close ends the call.
func (c *Call) close(err error) {
	switch {
	case errors.Is(err, nanobus.ErrNoInstance), errors.Is(err, nanobus.ErrNoCredit):
		err = fmt.Errorf("%w: %s: %w", ErrUnavailable, c.client.svc.Name(), err)
	case errors.Is(err, httpmsg.ErrMalformed):
		err = fmt.Errorf("answer of %s: %w", c.client.svc.Name(), err)
	}
	c.Err = err
	c.endSpan()
	c.finish()
}

// finish runs Done, whose panic would otherwise end the process: it is on a
// goroutine of the bus.
func (c *Call) finish() {
	rt, turn := c.client.rt, c.turn
	x := c.exchange()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		rt.panicked(p)
		if x != nil && turn&turnFinished == 0 {
			rt.abandon(x, turn)
		}
	}()
	c.Done(c)
}
