package exchange

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/shares"
)

// Responder is the driver's side of an exchange. One of the first three is called, once, on any
// goroutine, which may be one that reads a link: it must not block. Each reports whether the
// connection is the caller's and goes on.
type Responder interface {
	// Answer writes x.Response.
	Answer(x *Exchange) (goesOn bool)
	// Begin writes x.Response, whose body goes on in x.Stream.
	Begin(x *Exchange) (goesOn bool)
	// Drop ends the connection without a response: the client has gone.
	Drop(x *Exchange) (goesOn bool)
	// Held says that the exchange is held: its answer comes when the handler has one.
	Held(x *Exchange)
	// Next is called when one of them has returned true after Start had returned false.
	Next()
}

// Exchange is one request on its way, and its response. Exchanges are used again, so that a request
// allocates nothing.
type Exchange struct {
	// Response is there when the Responder is called.
	Response Response
	// Head says that the request's method is HEAD: its response has no body.
	Head bool
	// Close says that the connection ends with the response.
	Close bool

	// Out is memory for the driver to write the response in. Some of it is kept for the next
	// exchange.
	Out []byte

	front *Front
	to    Responder
	peer  *forwarded.Peer
	note  *atomic.Uint64 // where the call's id is noted while it is under way

	call   *nanobus.Call
	msg    httpmsg.Request  // as it goes on the bus
	reply  httpmsg.Response // aliases the received message
	header requestHeader
	up     *upstream

	revision int64            // by which the request was routed
	stamp    httpmsg.Decision // that says it, where nothing else is decided
	decided  shares.Decided
	divided  bool   // decided is about it
	request  []byte // the bytes of the head, and of a small body, which all of msg aliases

	requestID []byte
	trace     *traced // nil: there is no tracing
	instance  string  // who answered
	version   string  // and in which version of its code
	madeID    [32]byte
	allow     []byte
	reason    string // what was wrong with its bytes
	early     bool   // they have ended too early
	old       byte   // 1: HTTP/1.0

	firstByte  int64         // as of Front.Now; 0: not known
	start      time.Duration // bus time at which the request's head was there
	stop       atomic.Uint32 // Stop and Fault of an upload that was given up
	outcome    outcome
	tries      int
	admitted   bool
	counted    bool // as a request
	expected   bool // there was a place when its body began to come
	identifies bool // identify was called
	normal     bool // msg.Path and msg.Query are in the form by which routes are matched
	streams    bool // its body, or its reply's, goes in chunks
	responded  bool // the Responder was called
	broken     bool // something has panicked: not to be used again

	heldAt    time.Duration // bus time; 0: it wasn't held
	fallback  []byte        // the answer when it was held for as long as was asked
	wantsHTML bool          // a held one, whose header has gone

	clientIP netip.Addr // valid if identifies

	pathScratch, forwardedScratch []byte
}

// keepRequest caps the memory of a request that an exchange keeps for the next.
const keepRequest = 16 << 10

var pool sync.Pool

// Take returns an exchange for a request whose first byte came at firstByte (Front.Now), from peer,
// on a connection that to responds to. note gets the correlation id of the call while that is under
// way, for whoever watches the client.
func (f *Front) Take(to Responder, peer *forwarded.Peer, note *atomic.Uint64, firstByte int64) *Exchange {
	x, ok := pool.Get().(*Exchange)
	if !ok {
		x = &Exchange{call: nanobus.NewCall()}
		x.call.Done = func(*nanobus.Call) { x.done() }
	}
	x.front, x.to, x.peer, x.note, x.firstByte = f, to, peer, note, firstByte
	x.start = f.bus.Now()
	if f.tracing != nil {
		x.trace = tracedPool.Get().(*traced) //nolint:forcetypeassert // the pool has nothing else
		x.header.trace = x.trace
	}
	return x
}

func (x *Exchange) release() {
	if x.broken {
		return // whatever still has to do with it is left to the garbage collector
	}
	x.call.Release()
	x.msg = httpmsg.Request{}
	x.reply.Release()
	x.header.reset()
	x.Response.reset()
	if x.trace != nil {
		x.trace.reset()
		tracedPool.Put(x.trace)
		x.trace = nil
	}
	x.Head, x.Close = false, false
	x.to, x.peer, x.note, x.up = nil, nil, nil, nil
	x.requestID, x.instance, x.version, x.allow, x.reason, x.early, x.old = nil, "", "", nil, "", false, 0
	x.outcome, x.tries = answered, 0
	x.revision, x.stamp = 0, nil
	if x.divided {
		x.decided.Reset()
		x.divided = false
	}
	x.stop.Store(0)
	x.counted, x.expected, x.streams, x.responded, x.identifies = false, false, false, false, false
	x.heldAt, x.fallback, x.wantsHTML = 0, nil, false
	if cap(x.Out) > 2*keepRequest {
		x.Out = nil
	}
	if cap(x.request) > keepRequest {
		x.request = nil
	}
	pool.Put(x)
}

// Keep makes the response valid beyond the Responder's return, until Finish.
func (x *Exchange) Keep() { x.call.Keep() }

// inRow is how many responses a goroutine that ends calls writes in a row: half a millisecond's
// worth. A batch of replies fits: with 64, three quarters of a full one went through the loops'
// queues, and one hop cost 0.3 µs (4 %) more.
const inRow = 256

// Crowded reports whether the goroutine that brings the answer has brought so many just now that
// this one is somebody else's to write: all that comes on a link waits for it.
func (x *Exchange) Crowded() bool { return x.call.Nth >= inRow }

// Begun says that the head of a response that streams is written, with what of the body came with
// it. All that only those need is let go, so that a quiet stream costs little: of Response only
// Status is left.
func (x *Exchange) Begun() {
	x.msg = httpmsg.Request{
		Method: bytes.Clone(x.msg.Method), Path: bytes.Clone(x.msg.Path), Client: bytes.Clone(x.msg.Client),
	}
	x.requestID = bytes.Clone(x.requestID)
	x.Response = Response{Status: x.Response.Status}
	x.header, x.reply = requestHeader{}, httpmsg.Response{}
	x.Out, x.request, x.pathScratch, x.forwardedScratch = nil, nil, nil, nil
	x.call.Forget()
}

// Stream is the rest of the response's body, after Responder.Begin.
func (x *Exchange) Stream() *nanobus.BodyReader { return x.call.Download }

// RequestID is the request's id, which its response carries.
func (x *Exchange) RequestID() []byte { return x.requestID }
