package link

import (
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// Timing is where a call's time went. Stages that are zero are unknown, for example because the
// peer doesn't measure them.
type Timing struct {
	Queue        time.Duration // in this process, until the link's writer took it
	BusOut       time.Duration // until the peer had read it, clock offset removed
	HandlerQueue time.Duration // at the peer, until work began
	Handler      time.Duration // at the peer, working
	BusBack      time.Duration // from the end of that work until the reply was read here
	Total        time.Duration // all of it
}

// Call is one request and, later, its reply. The zero Call is ready for use, as
// one from NewCall is. It may be used again after Release, by one request at a
// time.
type Call struct {
	// Done, if set, is called exactly once when the call ends, on the
	// goroutine that reads the link (or sweeps deadlines); it must not block.
	// If nil, use Wait.
	Done func(*Call)
	// User is the caller's own.
	User any
	// Key, if not 0, chooses the instance: calls with the same key go to the same one, from every
	// process, as long as it lives and doesn't have more than its share of work. Any number will
	// do: it is hashed.
	Key uint64
	// Versions, set before the call is started, are those of the service's instances that the
	// request may go to: to the first that an instance runs which can take requests. "" stands for
	// any instance. Nil: any. The slice must stay as it is until the call has ended; Chosen is
	// then which one it went to.
	Versions []string
	Chosen   int

	// SendMore, set before the call is started, announces that the request's body continues after
	// the payload, in chunks. Starting the call then sets Upload, which must be ended; the budget
	// counts from its end.
	//
	// With StopOnReply the rest of that body is dropped as soon as a reply begins, for a caller
	// that can't send and receive at once.
	SendMore    bool
	StopOnReply bool
	Upload      *body.Writer
	// Download, if not nil, is the rest of the reply's body, after Payload. It must be read to its
	// end or closed; Release closes it.
	Download *body.Reader

	// Repeat, set before the call is started, says when the request may be sent to a second
	// instance, while the first has not answered: the first answer counts. The payload must stay as
	// it is until the call has ended, and its AppendTo may be called twice.
	Repeat Repeat

	// Held says that the responder answers later: HoldFor is how long it wants the call to be held
	// at most, and Payload the answer to use after that, empty if there is none. The call itself
	// has ended; the answer goes to Options.Holder, under the call's id.
	HoldFor time.Duration
	Held    bool

	// Err is nil if Payload is a reply; else one of the package's errors or a
	// *RemoteError.
	Err error
	// Payload is the reply. It aliases the received message: valid until
	// Release, or, with Done, until Done returns unless Keep was called.
	Payload []byte
	// Link is where the request went.
	Link *Link
	// Timing is filled in with the reply.
	Timing Timing
	// Nth is how many calls the goroutine that ends this one has ended in a row before it: those of
	// one message, one sweep of the deadlines, or one broken link. A Done that has much to do can
	// pass its work on above some number.
	Nth int
	// Received is the bus time at which the reply was read. See Bus.Now.
	Received time.Duration

	id      uint64
	request wire.Payload // of a call that may be repeated
	sent    int64        // bus time in ns when it was put on the link
	batch   uint32       // which of the link's writes took it
	msg     *mangos.Message
	notify  chan struct{}
	kept    bool
}

// Repeat says when a request may be sent to two instances.
type Repeat uint8

const (
	RepeatNever   Repeat = iota
	RepeatStalled        // when the first instance is found to be silent
	RepeatSlow           // and when it takes longer than nearly all of the service's requests have lately

	// RepeatRemembered is RepeatStalled for a request that must not be acted upon twice: only to an
	// instance that shares the first one's memory (Options.Memory), and so knows it again. If the
	// call has ended with ErrLinkDown, it may be started once more, which is restricted in the same
	// way.
	RepeatRemembered
)

// NewCall returns a Call that is ready for use.
func NewCall() *Call { return &Call{notify: make(chan struct{}, 1)} }

// Wait blocks until the call has ended, at the latest at its deadline. Only for calls without Done
// that were started without error.
func (c *Call) Wait() { <-c.notify }

// Prepare makes a zero Call ready: without it the link's reader would wait for
// ever to tell that the call has ended.
func Prepare(c *Call) {
	if c == nil {
		panic("nanobus: a request was sent with a nil *Call: use NewCall")
	}
	if c.notify == nil && c.Done == nil {
		c.notify = make(chan struct{}, 1)
	}
}

// ID returns the correlation id, for logs and for Bus.Abort. It is the id of
// no other call of this process for some million calls to come.
func (c *Call) ID() uint64 { return c.id }

// Keep, called within Done, makes Payload valid until Release.
func (c *Call) Keep() {
	if c.msg != nil && !c.kept {
		c.msg.Clone()
		c.kept = true
	}
}

// Forget returns the memory of a reply that Keep has kept, and leaves the rest of the Call as it
// is: for a caller that is done with Payload while Download continues.
func (c *Call) Forget() {
	if c.kept {
		c.msg.Free()
		c.msg, c.kept, c.Payload = nil, false, nil
	}
}

// Release returns the reply's memory and makes the Call ready for another request. It keeps Done
// and User, but not Key and Versions, which belong to the request.
func (c *Call) Release() {
	if c.kept {
		c.msg.Free()
	}
	if c.Download != nil {
		_ = c.Download.Close() // it can't fail
		c.Download = nil
	}
	c.SendMore, c.StopOnReply, c.Upload, c.Repeat, c.request = false, false, nil, RepeatNever, nil
	c.msg, c.kept = nil, false
	c.Payload, c.Err, c.Link, c.Timing, c.Received = nil, nil, nil, Timing{}, 0
	c.Held, c.HoldFor = false, 0
	c.id, c.sent, c.batch, c.Key, c.Nth, c.Versions, c.Chosen = 0, 0, 0, 0, 0, nil, 0
}

// Refuse ends a call that could not be started.
func Refuse(c *Call, err error) {
	c.Err = err
	c.finish(nil)
}

// finish hands the ended call over. m is the message that Payload aliases.
func (c *Call) finish(m *mangos.Message) {
	c.msg = m
	if c.Upload != nil && (c.Download == nil || c.StopOnReply) {
		err := c.Err
		if err == nil {
			err = body.ErrAnswered
		}
		c.Link.Mu.Lock()
		c.Link.Bodies.Halt(body.Key{ID: c.id}, err)
		c.Link.Mu.Unlock()
	}
	if c.Done != nil {
		c.Done(c)
		return
	}
	c.Keep()
	c.notify <- struct{}{}
}
