package link

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// Request is one request of a peer. It must be answered exactly once, with
// Reply or ReplyError, from any goroutine and in any order, and not be used
// after that.
type Request struct {
	link     *Link
	msg      *mangos.Message
	id       uint64
	payload  []byte
	deadline atomic.Int64 // bus time in ns
	budget   int64        // ns, as the caller said
	body     *body.Reader // what follows the payload; nil: nothing does
	received int64        // bus time in ns
	started  int64        // bus time in ns; 0 until Start
	left     bool         // see Leave

	// In the link's table; its lock guards them.
	next, prev *Request
	listed     bool

	cancelled atomic.Bool
	ctx       requestContext
}

var requestPool = sync.Pool{New: func() any {
	r := new(Request)
	r.ctx.r = r
	return r
}}

// Payload returns what was sent. It is valid until the reply.
func (r *Request) Payload() []byte { return r.payload }

// Link returns the link on which the request came.
func (r *Request) Link() *Link { return r.link }

// ID returns the correlation id, for logs.
func (r *Request) ID() uint64 { return r.id }

// Remaining is what is left of the caller's budget.
func (r *Request) Remaining() time.Duration {
	return time.Duration(r.deadline.Load() - r.link.bus.Nanos())
}

// Deadline is when the caller's budget runs out, in bus time (Bus.Now). For a
// request with a Body it is far off until that is complete.
func (r *Request) Deadline() time.Duration { return time.Duration(r.deadline.Load()) }

// Body returns the rest of the body, which goes on after Payload; nil if that
// is all. It is valid until the reply, which ends it.
func (r *Request) Body() *body.Reader { return r.body }

// Cancelled reports whether the caller has given up, or is gone.
func (r *Request) Cancelled() bool { return r.cancelled.Load() }

// Received is the bus time at which the request was read. See Bus.Now.
func (r *Request) Received() time.Duration { return time.Duration(r.received) }

// Start marks the moment at which work on the request begins. What came
// before it is reported to the caller as the wait for a worker. now is the
// bus time (Bus.Now), so that a batch reads the clock once.
func (r *Request) Start(now time.Duration) { r.started = int64(now) }

// Context returns a context that ends with the caller's deadline, with a
// cancel, and with the link. It is valid until the reply.
func (r *Request) Context() context.Context { return &r.ctx }

// Leave makes the request's memory, its payload's included, be left to the
// garbage collector after the reply, and not be used for another: for a caller that
// answers while others may still be at work on it, as after a panic. To be
// called before the reply.
func (r *Request) Leave() { r.left = true }

// Reply answers the request. It blocks, for some seconds at most, while the
// peer doesn't read what was sent before; see TryReply. The error is nil,
// ErrLinkDown when the peer has gone, ErrTooLarge when the reply doesn't
// fit a frame, or ErrPayload when it can't be encoded; the peer was told so
// with CodeTooLarge or CodeInternal then.
func (r *Request) Reply(p wire.Payload) error {
	_, err := r.reply(p, true)
	return err
}

// TryReply is Reply for goroutines that must not block, as those that run
// Serve and Done. It returns false, and the request is still to be answered,
// if the peer is not reading fast enough: go on with Reply on another
// goroutine.
func (r *Request) TryReply(p wire.Payload) (bool, error) { return r.reply(p, false) }

func (r *Request) reply(p wire.Payload, block bool) (bool, error) {
	ok, err := r.send(0, p, block)
	if err != nil {
		r.apologise(err)
	}
	if ok {
		r.release()
	}
	return ok, err
}

// apologise answers with why the reply can't be sent, if there is anybody to
// be told.
func (r *Request) apologise(err error) {
	e := wire.RemoteError{Code: wire.CodeInternal}
	switch {
	case errors.Is(err, writer.ErrTooLarge):
		r.link.bus.Metrics.droppedOversized.Inc()
		e.Code = wire.CodeTooLarge
	case errors.Is(err, wire.ErrMalformed):
		r.link.bus.Metrics.DroppedStray.Inc()
		e = wire.RemoteError{Code: wire.CodeMalformed, Text: "two requests with one id"}
	case !errors.Is(err, writer.ErrPayload):
		return
	}
	_, _ = r.send(wire.FlagError, &e, false)
}

// ReplyError answers the request with an error. text is for the caller's log
// and is cut at 1 KiB.
func (r *Request) ReplyError(code wire.Code, text string) {
	_, _ = r.send(wire.FlagError, &wire.RemoteError{Code: code, Text: text}, false)
	r.release()
}

// ReplyBody answers the request with a reply whose body goes on after p, in
// chunks. It takes no part of the window from here on, and its deadline and that
// of its Context are far off: a stream may last for as long as its caller lives.
// The returned writer must be closed or broken. Like Reply it may block. With an
// error there is no writer: ErrNoBodies when the caller takes only whole bodies,
// ErrTooManyBodies when as many are being sent as Options.MaxBodies allows, and the
// request is still to be answered then; ErrMalformed when
// it has another request of this id under way, and was told so; ErrLinkDown,
// ErrTooLarge and ErrPayload as for Reply. The request has been answered then,
// but may be read until its user is done with it.
func (r *Request) ReplyBody(p wire.Payload) (*body.Writer, error) {
	if h := r.link.Hello.Load(); h == nil || !h.Bodies {
		return nil, ErrNoBodies
	}
	if r.link.bus.Bodies.Full() {
		return nil, body.ErrTooMany
	}
	var w *body.Writer
	if _, err := r.sendBody(0, p, true, &w); err != nil {
		r.apologise(err)
		r.Leave() // the handler that was to stream is still in the middle of it
		r.release()
		return nil, err
	}
	return w, nil
}

// streamed is a request as the owner of its response's body.
type streamed struct{ *Request }

// Abandoned implements body.Owner.
func (r streamed) Abandoned() { r.cancel() }

// Ended implements body.Owner.
func (r streamed) Ended(bool) { r.release() }

// Overdue implements body.Owner: a stream may be quiet for as long as its link lives.
func (r streamed) Overdue() {}

// send appends the reply to what the link has gathered and takes the request
// off the link's table. false: would have to block. Error replies, which are
// small, never wait.
func (r *Request) send(flags uint8, p wire.Payload, block bool) (bool, error) {
	return r.sendBody(flags, p, block, nil)
}

// sendBody is send for a reply that goes on, with *more from here on; the
// request stays in the table then. more is nil for a whole one.
func (r *Request) sendBody(flags uint8, p wire.Payload, block bool, more **body.Writer) (bool, error) {
	l := r.link
	now := l.bus.Nanos()
	if more != nil {
		flags |= wire.FlagMore
	}
	start, err := l.Begin(wire.KindResponse, flags, r.id)
	if err != nil {
		return true, err
	}
	if flags&wire.FlagError != 0 && l.Overrun(start) {
		l.Abandon(start)
		return true, writer.ErrLinkDown
	}
	if flags&wire.FlagError == 0 && start > writer.MaxGathered {
		if !block {
			l.Abandon(start)
			return false, nil
		}
		l.Out = l.Out[:start]
		for len(l.Out) > writer.MaxGathered && !l.Closed {
			l.WakeUp()
			l.Space.Wait() // the writer's deadline ends this at the latest
		}
		if l.Closed {
			l.Mu.Unlock()
			return true, writer.ErrLinkDown
		}
		start = len(l.Out)
		l.Out = wire.Begin(l.Out, wire.KindResponse, flags, r.id)
	}
	started := r.started
	if started == 0 {
		started = now
	}
	out := l.Out
	out = binary.BigEndian.AppendUint64(out, l.bus.WallMicros(r.received))
	out = binary.BigEndian.AppendUint32(out, micros32(started-r.received))
	out = binary.BigEndian.AppendUint32(out, micros32(now-started))
	l.Out = out
	if err := l.Encode(start, p); err != nil {
		return true, err
	}
	if more != nil {
		key := body.Key{ID: r.id, Response: true}
		if l.Bodies.Sends(key) {
			l.Abandon(start)
			return true, wire.ErrMalformed
		}
		*more = l.Bodies.Send(key, streamed{r}, 0, now)
		if r.cancelled.Load() {
			l.Bodies.Halt(key, ErrCancelled)
		}
		// As far as the window goes it is answered: a stream may last.
		l.forget(r)
		r.deadline.Store(NoDeadline)
		r.ctx.moved()
		return true, l.Commit(start)
	}
	l.forget(r)
	if l.idle() {
		return true, l.CommitNow(start)
	}
	return true, l.Commit(start)
}

// release ends the request. From here on nothing may point to it any more: it
// will be another link's.
func (r *Request) release() {
	l := r.link
	if r.listed { // it could not be answered: the link is closed, or about to be
		l.Mu.Lock()
		l.forget(r)
		l.Mu.Unlock()
	}
	l.bus.Serving.Add(-1)
	if r.body != nil {
		l.Bodies.Forget(r.body)
	}
	// Somebody who asked for the context's channel may still hold it: leave such a
	// request to the garbage collector.
	used := r.ctx.used()
	if r.left {
		return
	}
	r.msg.Free()
	if used {
		return
	}
	r.body = nil
	r.link, r.msg, r.payload, r.id = nil, nil, nil, 0
	r.deadline.Store(0)
	r.budget, r.received, r.started = 0, 0, 0
	r.cancelled.Store(false)
	r.ctx.err = nil
	requestPool.Put(r)
}

// cancel marks the request as given up. Called with the link's lock held.
func (r *Request) cancel() {
	r.cancelled.Store(true)
	r.ctx.end(context.Canceled)
}

// refuse answers a request that was not admitted to the link's table.
func (r *Request) refuse(code wire.Code) {
	l := r.link
	if start, err := l.Begin(wire.KindResponse, wire.FlagError, r.id); err != nil {
		// It is gone, and so is its caller.
	} else if l.Overrun(start) {
		l.Abandon(start)
	} else {
		l.Out = binary.BigEndian.AppendUint64(l.Out, l.bus.WallMicros(r.received))
		l.Out = append(l.Out, 0, 0, 0, 0, 0, 0, 0, 0)
		l.Out = (&wire.RemoteError{Code: code}).AppendTo(l.Out)
		_ = l.Commit(start)
	}
	r.release()
}
