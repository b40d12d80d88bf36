package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/httpmsg"
	"nanofront/internal/terminal"
	"nanofront/nanobus"
	"nanofront/trace"
)

// linkTime is how long an instance may at least take to be linked, however
// short the timeout of a request is.
const linkTime = 500 * time.Millisecond

// settleTime is how long a first request waits for the clocks' offset to be
// known and for further instances to be linked, once one is.
const settleTime = 250 * time.Millisecond

// CallOptions say what to send and to whom.
type CallOptions struct {
	Target    listening.Target // with a service
	Discovery listening.Discovery
	Security  nanobus.Security
	Request   *httpmsg.Request // of NewRequest
	// Timeout is the budget of each request, and how long an instance may take
	// to be linked, for which it has half a second at least.
	Timeout time.Duration
	// Count requests are sent, one after the other.
	Count int
	JSON  bool
	Trace bool // show what each instance did; for one request
	Color bool
	Out   io.Writer
}

// Call sends requests straight to instances of a service, without a front, and
// shows what comes back. It is a caller like any other: it gets a part of the
// instances' windows while it runs. The error says why a request got no answer
// or one of 400 and more.
func Call(ctx context.Context, o CallOptions) error {
	list, err := o.Target.Find(ctx, o.Discovery, false)
	if err != nil {
		return err
	}
	var tree *spanTree
	linked := list
	subscriptions := make(map[string]func(nanobus.Event))
	if o.Trace {
		tree = newSpanTree()
		subscriptions[trace.TopicSpans] = tree.told
		all, err := listening.Target{}.Find(ctx, o.Discovery, true)
		if err != nil {
			return err
		}
		linked = traceable(all, list)
	}
	bus, err := link(ctx, "call", nanobus.Options{Slots: 16, Security: o.Security, Subscriptions: subscriptions}, linked, o.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = bus.Close() }() // nothing is lost with it
	p := newCallPrinter(&o)
	svc := bus.Service(o.Target.Service)
	for range o.Count {
		r := once(ctx, bus, svc, &o, tree)
		if ctx.Err() != nil && r.failed != nil {
			break // cancelled; the calls so far are summed up
		}
		p.print(r)
	}
	return p.end()
}

// settle waits until an instance can take requests, and then a moment for the
// others and for the clocks.
func settle(ctx context.Context, bus *nanobus.Bus, list []nanobus.Instance, timeout time.Duration) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	var first time.Time
	for {
		live, known := 0, true
		for _, l := range bus.Links() {
			if l.State == "live" {
				live++
				known = known && l.ClockKnown
			}
		}
		if live > 0 && first.IsZero() {
			first = time.Now()
		}
		switch {
		case live == len(list) && known, live > 0 && time.Since(first) > min(settleTime, timeout):
			return nil
		case live == 0 && time.Since(began) > timeout:
			return unreachable(bus, list, timeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// unreachable says why no instance could be linked.
func unreachable(bus *nanobus.Bus, list []nanobus.Instance, timeout time.Duration) error {
	in := list[0]
	for _, l := range bus.Links() {
		if l.State == "draining" {
			return fmt.Errorf("%s/%s is draining and takes no more requests: is it being stopped?", l.Service, l.Instance)
		}
	}
	err := fmt.Errorf("%s/%s is known, but can't be reached at %s within %v%s: is it still running, and can this machine reach that address?",
		in.Service, in.ID, in.Address, timeout, listening.Probe(in.Address))
	if n := len(list) - 1; n > 0 {
		err = fmt.Errorf("%w (%d more can't be reached either)", err, n)
	}
	return err
}

// reply is what came of one request.
type reply struct {
	service, instance, address string
	id                         string // x-request-id
	response                   httpmsg.Response
	timing                     nanobus.Timing
	clockKnown                 bool
	failed                     error // why there is no response
	code                       string

	tree  *spanTree // nil: not asked for
	spans []trace.Reported
	sent  int64 // ns since 1970
}

// once sends one request and waits for its result.
func once(ctx context.Context, bus *nanobus.Bus, svc *nanobus.Service, o *CallOptions, tree *spanTree) *reply {
	r := &reply{service: o.Target.Service, instance: o.Target.Instance}
	req := *o.Request
	if id := req.Header.Get("x-request-id"); id != nil {
		r.id = string(id)
	} else {
		id = newRequestID()
		r.id = string(id)
		req.Header = append(req.Header[:len(req.Header):len(req.Header)], httpmsg.Field{Name: []byte("x-request-id"), Value: id})
	}
	if r.tree = tree; tree != nil {
		tree.mark(&req)
	}
	done := make(chan struct{})
	c := nanobus.NewCall()
	c.Done = func(c *nanobus.Call) {
		c.Keep()
		close(done)
	}
	r.sent = time.Now().UnixNano()
	if err := svc.Go(c, &req, o.Timeout); err != nil {
		r.fail(err, o)
		return r
	}
	select {
	case <-done:
	case <-ctx.Done():
		bus.Abort(c.ID())
		<-done
	}
	r.timing = c.Timing
	if h := c.Link.Peer(); h != nil {
		r.service, r.instance = h.Service, h.Instance
	}
	for _, l := range bus.Links() {
		if l.Service == r.service && l.Instance == r.instance {
			r.address, r.clockKnown = l.Address, l.ClockKnown
		}
	}
	if c.Err != nil {
		r.fail(c.Err, o)
	} else if err := r.response.Decode(c.Payload); err != nil {
		r.failed = fmt.Errorf("the answer from %s is not HTTP: %w", r.where(), err)
	} else if c.Download != nil {
		r.rest(c)
	}
	if tree != nil {
		r.spans = tree.gather(ctx, bus)
	}
	return r // with the call, whose memory the response has
}

// maxAnswer bounds the body that is shown, in bytes.
const maxAnswer = 16 << 20

// rest takes the rest of a body that comes in chunks.
func (r *reply) rest(c *nanobus.Call) {
	more, err := io.ReadAll(io.LimitReader(c.Download, maxAnswer))
	r.response.Body = append(bytes.Clone(r.response.Body), more...)
	switch {
	case err != nil:
		r.failed = fmt.Errorf("the answer from %s breaks off after %d bytes of body: %w", r.where(), len(r.response.Body), err)
	case len(more) == maxAnswer:
		r.failed = fmt.Errorf("the answer from %s has a body of more than %d bytes, the most that this command reads: fetch it through a terminator", r.where(), maxAnswer)
	}
}

func (r *reply) where() string {
	if r.instance == "" {
		return r.service
	}
	return r.service + "/" + r.instance
}

// ok reports whether there is an answer below 400.
func (r *reply) ok() bool { return r.failed == nil && r.response.Status < 400 }

// fail notes why there is no response, and what to do.
func (r *reply) fail(err error, o *CallOptions) {
	var remote *nanobus.RemoteError
	switch {
	case errors.As(err, &remote):
		r.code = remote.Code.String()
		hint := ""
		switch remote.Code {
		case nanobus.CodeExpired:
			hint = ": the time was up; --timeout gives it longer"
		case nanobus.CodeDraining:
			hint = ": it is being stopped; call another instance"
		case nanobus.CodeOverWindow:
			hint = ": it has all the requests that it takes; try again"
		case nanobus.CodeNoHandler:
			hint = ": that process takes no requests"
		case nanobus.CodeInternal:
			hint = "; its log says more, by request id " + r.id
		}
		text := remote.Code.String()
		if remote.Text != "" {
			text += " (" + terminal.Printable(remote.Text) + ")"
		}
		r.failed = fmt.Errorf("%s answered with error %s%s", r.where(), text, hint)
	case errors.Is(err, nanobus.ErrTimeout):
		r.code = "timeout"
		r.failed = fmt.Errorf("no answer from %s within %v, so the request was cancelled: allow more with --timeout, and see nanofront status for how it is doing", r.where(), o.Timeout)
	case errors.Is(err, nanobus.ErrNoInstance):
		r.code = "no_instance"
		r.failed = fmt.Errorf("no instance of %s takes requests any more: nanofront status shows which are alive", o.Target.Service)
	case errors.Is(err, nanobus.ErrNoCredit):
		r.code = "no_credit"
		r.failed = fmt.Errorf("every instance of %s has its whole window in flight: the service is overloaded, try again", o.Target.Service)
	case errors.Is(err, nanobus.ErrLinkDown):
		r.code = "link_down"
		r.failed = fmt.Errorf("the link to %s broke: whether the request was acted upon is unknown", r.where())
	default:
		r.failed = err
	}
}
