package terminator

import (
	"bytes"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"nanofront/nanobus"
)

// loopFlight is a flight whose connection is on an event loop.
type loopFlight struct {
	flight
	conn    *loopConn
	up      *upstream
	start   time.Duration // bus time
	request []byte        // the request's bytes, which all of flight aliases
	out     []byte        // the response
	try     int
	head    bool // method HEAD
	close   bool // the client has asked for the connection's end
}

// keepOut caps the buffers that a loopFlight keeps; a larger body is not
// copied behind the response's head, but written from where it lies.
const keepOut = 16 << 10

var loopFlights sync.Pool

func takeLoopFlight() *loopFlight {
	f, ok := loopFlights.Get().(*loopFlight)
	if !ok {
		f = &loopFlight{flight: flight{call: nanobus.NewCall()}}
		f.call.Done = func(*nanobus.Call) { f.done() }
	}
	return f
}

func (f *loopFlight) release() {
	f.flight.reset()
	f.conn, f.up, f.try = nil, nil, 0
	if cap(f.request) > keepOut {
		f.request = nil
	}
	if cap(f.out) > 2*keepOut {
		f.out = nil
	}
	loopFlights.Put(f)
}

// loopBuffers are for reading off the loops' own goroutines.
var loopBuffers = sync.Pool{New: func() any { return new([loopBuffer]byte) }}

// later is serve on a goroutine that isn't the loop's. The caller owns c.
func (c *loopConn) later() {
	buf := loopBuffers.Get().(*[loopBuffer]byte) //nolint:forcetypeassert // the pool has nothing else
	c.firstByte = int64(c.loop.all.t.bus.Now())
	c.serve(nil, buf[:])
	loopBuffers.Put(buf)
}

// serve reads and serves requests until one is under way, or there are no
// more. The caller owns c. With b, requests go out when that is flushed.
func (c *loopConn) serve(b *nanobus.Batch, buf []byte) {
	for {
		in := c.held
		if len(in) == 0 {
			n, ended := c.read(buf)
			if ended {
				c.close()
				return
			}
			if n == 0 {
				if c.release() {
					return
				}
				continue
			}
			in = buf[:n]
			c.loop.all.guard.stats.bytesIn.Add(uint64(n)) //nolint:gosec // not negative
		}
		if !c.request(b, in) {
			return
		}
		if len(c.held) == 0 && c.release() {
			return
		}
	}
}

// request takes up the request that in begins with. It returns true if that is
// answered and the connection still the caller's.
func (c *loopConn) request(b *nanobus.Batch, in []byte) bool {
	n, fault := c.scanner.scanOne(in)
	if fault != guardOK || c.scanner.state != guardBetween || c.scanner.seen&(guardSeenChunked|guardVersion10|guardSeenExpect) != 0 || in[0] == '\r' {
		c.handOver(in)
		return false
	}
	if len(c.held) > 0 {
		c.held = c.held[n:]
	} else if n < len(in) {
		c.held = append([]byte(nil), in[n:]...)
	}
	f := takeLoopFlight()
	f.conn = c
	f.request = append(f.request[:0], in[:n]...)
	return f.begin(b, int(c.scanner.length))
}

// begin sends the request on its way. It returns true if that has ended with a
// response of our own and the connection goes on.
func (f *loopFlight) begin(b *nanobus.Batch, body int) (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	t.metrics.requests.Inc()
	f.start = t.bus.Now()
	o := handlerFailed
	defer func() {
		if p := recover(); p != nil {
			t.panicked(p)
			f.close = true
			goesOn = f.refuse(o)
		}
	}()
	if o = f.send(b, body); o == answered {
		return false // its call has the connection now
	}
	goesOn = f.refuse(o)
	return goesOn
}

// send takes the request through all steps until it is on the bus: answered,
// as far as can be said.
func (f *loopFlight) send(b *nanobus.Batch, body int) outcome {
	c := f.conn
	t := c.loop.all.t
	// The guard has made sure of the form of all that is cut out here.
	raw := f.request[:len(f.request)-body]
	line := bytes.IndexByte(raw, '\r')
	method := bytes.IndexByte(raw, ' ')
	f.msg.Method = raw[:method]
	f.head = string(f.msg.Method) == "HEAD"
	uri := raw[method+1 : line-len(" HTTP/1.1")]
	up, o := t.route(&f.flight, uri, raw[line+2:])
	f.close = f.header.close || t.guard.draining()
	if o != answered {
		return o
	}
	f.up = up
	if body > up.maxBody {
		return bodyTooLarge
	}
	if body > 0 {
		f.msg.Body = f.request[len(raw):]
	}
	if !t.admission.enter() {
		return shed
	}
	t.identify(&c.clientAddr, &f.flight)
	f.call.Key = keyOf(up.hash, &f.flight)
	up.requests.Inc()
	f.try = 1
	if err := f.launch(b, up.timeout); err != nil {
		t.admission.leave(0)
		up.errors.Inc()
		return t.failed(&f.flight, err)
	}
	return answered
}

// launch starts the call. With nil, f and its connection may be somebody
// else's already.
func (f *loopFlight) launch(b *nanobus.Batch, budget time.Duration) (err error) {
	c := f.conn
	if b != nil {
		err = b.Go(f.up.service, f.call, f, budget)
	} else {
		err = f.up.service.Go(f.call, f, budget)
	}
	if err != nil {
		c.waiting.Store(0)
	}
	return err
}

// AppendTo implements nanobus.Payload. It is called before the request leaves
// and when the call has its id, which is the last moment at which that can be
// noted: afterwards the call may end at any time.
func (f *loopFlight) AppendTo(dst []byte) []byte {
	f.conn.waiting.Store(f.call.ID())
	return f.msg.AppendTo(dst)
}

// done is called when the call has ended, on the goroutine that reads the
// link. It must not block.
func (f *loopFlight) done() {
	c := f.conn
	t := c.loop.all.t
	c.waiting.Store(0)
	goesOn := false
	func() {
		defer func() {
			if p := recover(); p != nil {
				t.panicked(p)
				f.close = true
				goesOn = f.refuse(handlerFailed)
			}
		}()
		goesOn = f.finish()
	}()
	if !goesOn || len(c.held) == 0 && c.release() {
		return
	}
	c.later()
}

// finish answers with what the call has brought, or tries once more. It
// returns true if the connection is the caller's and goes on.
func (f *loopFlight) finish() (goesOn bool) {
	c, call := f.conn, f.call
	t := c.loop.all.t
	err := call.Err
	if err != nil && f.try == 1 && !c.closing.Load() {
		if err = t.again(&f.flight, f.up, f.start, err); err == nil {
			f.try = 2
			if err = f.launch(nil, f.up.timeout-(t.bus.Now()-f.start)); err == nil {
				return false
			}
		}
	}
	if call.Download != nil {
		t.admission.leave(0) // how long it takes is the client's pace
		return f.stream()
	}
	now := t.bus.Now()
	latency := now - f.start
	if err != nil {
		f.up.errors.Inc()
		o := t.failed(&f.flight, err)
		if o != timedOut {
			latency = 0
		}
		t.admission.leave(latency)
		return f.refuse(o)
	}
	t.admission.leave(latency)
	f.up.latency.Observe(call.Timing.Total)
	t.stages(&f.flight, c.firstByte, f.start)
	if err := f.reply.Decode(call.Payload); err != nil {
		t.badReply(&f.flight, err)
		f.up.errors.Inc()
		return f.refuse(badReply)
	}
	f.instance = call.Link.Peer().Instance
	h := f.responseHead()
	head, body, ok := appendReply(f.out[:0], &f.flight, &h)
	f.out = head
	if !ok {
		t.badReply(&f.flight, errBadField)
		f.up.errors.Inc()
		return f.refuse(badReply)
	}
	return f.respond(f.reply.Status, body, now)
}

func (f *loopFlight) responseHead() responseHead {
	f.close = f.close || f.conn.closing.Load() || f.conn.loop.all.t.guard.draining()
	return responseHead{date: f.conn.loop.all.date.get(), requestID: f.requestID, head: f.head, close: f.close}
}

// refuse answers with an outcome other than answered.
func (f *loopFlight) refuse(o outcome) (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	t.metrics.outcomes[o].Inc()
	if o == clientGone {
		t.metrics.classes[4].Inc()
		f.release()
		c.close()
		return false
	}
	var allow []byte
	if o == badMethod {
		if r := t.routing.Load(); r != nil {
			allow = r.router.Allow(nil, f.msg.Host, f.msg.Path)
		}
	}
	h := f.responseHead()
	f.out = appendOutcome(f.out[:0], o, allow, &h)
	return f.respond(outcomes[o].status, nil, t.bus.Now())
}

// respond writes f.out and then body, and ends the flight. It returns true if
// the connection goes on.
func (f *loopFlight) respond(status int, body []byte, now time.Duration) (goesOn bool) {
	c := f.conn
	all := c.loop.all
	t := all.t
	t.metrics.classes[status/100].Inc()
	if n, ok := t.accessLog.wants(now); ok {
		t.accessLog.write(&f.flight, &c.clientAddr, status, len(body), now-f.start, n)
	}
	head := f.out
	if len(body) > 0 && len(body) <= keepOut {
		head = append(head, body...)
		f.out, body = head, nil
	}
	firstByte, received, closing := c.firstByte, int64(f.call.Received), f.close
	n, ok := c.write(head, body)
	all.guard.stats.bytesOut.Add(uint64(n)) //nolint:gosec // not negative
	written := func() {
		if received != 0 {
			t.written(firstByte, received)
		}
	}
	switch {
	case !ok:
		f.release()
		c.close()
		return false
	case n < len(head)+len(body):
		// The client is slow to take it.
		head, body = head[min(n, len(head)):], body[max(0, n-len(head)):]
		c.handOverWriting(head, body, closing, written)
		f.release()
		return false
	}
	written()
	f.release()
	if closing {
		c.close()
		return false
	}
	c.firstByte = int64(t.bus.Now()) // of the next, if it is there already
	return true
}

// stream answers with a body that comes in chunks, from a goroutine.
func (f *loopFlight) stream() (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	f.call.Keep()
	resp := fasthttp.AcquireResponse()
	o := badReply
	err := f.reply.Decode(f.call.Payload)
	if err == nil {
		f.instance = f.call.Link.Peer().Instance
		o = t.respond(resp, f.head, &f.flight)
	} else {
		t.badReply(&f.flight, err)
	}
	if o != answered {
		fasthttp.ReleaseResponse(resp)
		f.up.errors.Inc()
		return f.refuse(o)
	}
	resp.SkipBody = f.head
	h := f.responseHead()
	resp.Header.SetBytesKV(headerRequestID, f.requestID)
	if f.close {
		resp.SetConnectionClose()
	}
	status := resp.StatusCode()
	t.metrics.classes[status/100].Inc()
	now := t.bus.Now()
	if n, ok := t.accessLog.wants(now); ok {
		t.accessLog.write(&f.flight, &c.clientAddr, status, resp.Header.ContentLength(), now-f.start, n)
	}
	c.handOverStream(resp, h.close, f.release)
	return false
}
