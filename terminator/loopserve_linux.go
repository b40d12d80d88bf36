package terminator

import (
	"bytes"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"nanofront/nanobus"
	"nanofront/terminator/http1"
)

// loopFlight is a flight whose connection is on an event loop.
type loopFlight struct {
	flight
	conn     *loopConn
	up       *upstream
	start    time.Duration // bus time
	request  []byte        // the request's bytes, which all of flight aliases
	out      []byte        // the response
	tries    int
	admitted bool
	head     bool // method HEAD
	close    bool // the connection ends with the response
	broken   bool // something has panicked: not to be used again
}

const (
	// keepOut caps the buffers that a loopFlight keeps. A larger body isn't
	// copied behind the response's head, but written from where it lies.
	keepOut = 16 << 10

	// serveMost is how many requests of one connection are served in a row
	// before others have their turn; serveOne is for goroutines that have
	// better to do.
	serveMost = 64
	serveOne  = 1
)

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
	if f.broken {
		return // whatever still has to do with it is left to the garbage collector
	}
	f.flight.reset()
	f.conn, f.up, f.tries = nil, nil, 0
	if cap(f.request) > keepOut {
		f.request = nil
	}
	if cap(f.out) > 2*keepOut {
		f.out = nil
	}
	loopFlights.Put(f)
}

// loopBuffers are for reading on goroutines other than the loops'.
var loopBuffers = sync.Pool{New: func() any { return new([loopBuffer]byte) }}

// serveLater is serve on a goroutine that isn't the loop's. The caller owns c.
func (c *loopConn) serveLater(most int) {
	buf := loopBuffers.Get().(*[loopBuffer]byte) //nolint:forcetypeassert // the pool has nothing else
	c.firstByte = int64(c.loop.all.t.bus.Now())
	c.serve(nil, buf[:], most)
	loopBuffers.Put(buf)
}

// serve reads and serves requests until one is under way, or there are no
// more, or there were most; then another goroutine goes on. The caller owns c.
// With b, requests go out when that is flushed.
func (c *loopConn) serve(b *nanobus.Batch, buf []byte, most int) {
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
		}
		if !c.request(b, in) || len(c.held) == 0 && c.release() {
			return
		}
		if most--; most <= 0 {
			go c.serveLater(serveMost)
			return
		}
	}
}

// request takes up the request that in begins with. It returns true if that is
// answered and the connection still the caller's.
func (c *loopConn) request(b *nanobus.Batch, in []byte) (goesOn bool) {
	n, fault := c.scanner.ScanOne(in)
	if fault != http1.OK || !c.scanner.Between() || !c.scanner.Plain() || in[0] == '\r' {
		c.handOver(in)
		return false
	}
	c.loop.all.guard.stats.bytesIn.Add(uint64(n)) //nolint:gosec // not negative; what is handed over the guard counts
	f := takeLoopFlight()
	f.conn = c
	f.request = append(f.request[:0], in[:n]...)
	switch {
	case n == len(c.held):
		c.held = nil // and its memory
	case len(c.held) > 0:
		c.held = c.held[n:]
	case n < len(in):
		c.held = bytes.Clone(in[n:])
	}
	return f.begin(b, int(c.scanner.Length()))
}

// begin sends the request on its way. It returns true if that has ended with a
// response of our own and the connection goes on.
func (f *loopFlight) begin(b *nanobus.Batch, body int) (goesOn bool) {
	t := f.conn.loop.all.t
	t.metrics.requests.Inc()
	f.start = t.bus.Now()
	defer f.contain(&goesOn)
	if o := f.send(b, body); o != answered {
		return f.refuse(o)
	}
	return false // the connection is the call's now
}

// contain ends a request whose handling panicked: deferred by who has it.
func (f *loopFlight) contain(goesOn *bool) {
	p := recover()
	if p == nil {
		return
	}
	f.conn.loop.all.t.panicked(p)
	f.broken = true
	if *goesOn = false; f.conn.state.Load() != loopGone {
		*goesOn = f.refuse(handlerFailed)
	}
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
	up, o := t.route(&f.flight, raw[method+1:line-len(" HTTP/1.1")], raw[line+2:])
	f.close = f.header.close
	if o != answered {
		return o
	}
	f.up = up
	if body > up.maxBody {
		return bodyTooLarge
	}
	f.msg.Body = f.request[len(raw):]
	if !t.admission.enter() {
		return shed
	}
	f.admitted = true
	t.identify(&c.Peer, &f.flight)
	f.call.Key = keyOf(up.hash, &f.flight)
	up.requests.Inc()
	if err := f.launch(b, up.timeout); err != nil {
		up.errors.Inc()
		return t.failed(&f.flight, err)
	}
	return answered
}

// launch starts the call. With nil, f and its connection may be somebody
// else's already.
func (f *loopFlight) launch(b *nanobus.Batch, budget time.Duration) (err error) {
	c := f.conn
	f.tries++
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

// AppendTo implements nanobus.Payload. It is called when the call has its id
// and the request hasn't left, which is the last moment at which that can be
// noted: afterwards the call may end at any time.
func (f *loopFlight) AppendTo(dst []byte) []byte {
	f.conn.waiting.Store(f.call.ID())
	return f.msg.AppendTo(dst)
}

// done is called when the call has ended, on the goroutine that reads the
// link. It must not block.
func (f *loopFlight) done() {
	c := f.conn
	c.waiting.Store(0)
	if f.answer() && (len(c.held) > 0 || !c.release()) {
		c.serveLater(serveOne)
	}
}

// answer responds with what the call has brought, or tries once more. It
// returns true if the connection is the caller's and goes on.
func (f *loopFlight) answer() (goesOn bool) {
	defer f.contain(&goesOn)
	c, call := f.conn, f.call
	t := c.loop.all.t
	err := call.Err
	if err != nil && f.tries == 1 && !c.closing.Load() {
		if err = t.again(&f.flight, f.up, f.start, err); err == nil {
			if err = f.launch(nil, f.up.timeout-(t.bus.Now()-f.start)); err == nil {
				return false
			}
		}
	}
	if err != nil {
		f.up.errors.Inc()
		o := t.failed(&f.flight, err)
		if o == timedOut {
			f.leave(t.bus.Now() - f.start)
		}
		return f.refuse(o)
	}
	if call.Download != nil {
		f.leave(0) // how long it takes is the client's pace
		return f.stream()
	}
	now := t.bus.Now()
	f.leave(now - f.start)
	f.up.latency.Observe(call.Timing.Total)
	t.stages(&f.flight, c.firstByte, f.start)
	if err := f.reply.Decode(call.Payload); err != nil {
		return f.badReply(err)
	}
	f.instance = call.Link.Peer().Instance
	t.mendStatus(&f.flight)
	h := f.responseHead()
	var body []byte
	var ok bool
	if f.out, body, ok = appendReply(f.out[:0], &f.flight, &h); !ok {
		return f.badReply(errBadField)
	}
	return f.respond(f.reply.Status, body, len(body), now)
}

// leave tells admission that the request has ended, once.
func (f *loopFlight) leave(latency time.Duration) {
	if f.admitted {
		f.admitted = false
		f.conn.loop.all.t.admission.leave(latency)
	}
}

// badReply refuses for a reply that can't be passed on.
func (f *loopFlight) badReply(err error) (goesOn bool) {
	f.conn.loop.all.t.badReply(&f.flight, err)
	f.up.errors.Inc()
	return f.refuse(badReply)
}

func (f *loopFlight) responseHead() responseHead {
	all := f.conn.loop.all
	f.close = f.close || f.conn.closing.Load() || all.guard.draining()
	return responseHead{date: all.date.get(), requestID: f.requestID, head: f.head, close: f.close}
}

// refuse responds with an outcome other than answered. It returns true if the
// connection goes on.
func (f *loopFlight) refuse(o outcome) (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	f.leave(0)
	t.metrics.outcomes[o].Inc()
	if o == clientGone {
		f.ended(outcomes[o].status, 0, t.bus.Now())
		f.release()
		c.close()
		return false
	}
	h := f.responseHead()
	f.out = appendOutcome(f.out[:0], o, t.allow(&f.flight, o), &h)
	return f.respond(outcomes[o].status, nil, len(refusals[o]), t.bus.Now())
}

// respond writes f.out and then body, and ends the flight. size is that of
// the body, wherever it is. It returns true if the connection goes on.
func (f *loopFlight) respond(status int, body []byte, size int, now time.Duration) (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	f.ended(status, size, now)
	if n := len(body); n > 0 && n <= keepOut {
		f.out, body = append(f.out, body...), nil
	}
	firstByte, replied, closing := c.firstByte, int64(f.call.Received), f.close
	n, ok := c.write(f.out, body)
	c.loop.all.guard.stats.bytesOut.Add(uint64(n)) //nolint:gosec // not negative
	if ok && n < len(f.out)+len(body) {            // the client is slow to take it
		rest := append(bytes.Clone(f.out[min(n, len(f.out)):]), body[max(0, n-len(f.out)):]...)
		f.release()
		c.handOverWriting(rest, replied, closing)
		return false
	}
	f.release()
	if ok && replied != 0 {
		t.written(firstByte, replied)
	}
	if !ok || closing {
		c.close()
		return false
	}
	return true
}

// ended counts and logs a response.
func (f *loopFlight) ended(status, size int, now time.Duration) {
	t := f.conn.loop.all.t
	t.metrics.classes[status/100].Inc()
	if n, ok := t.accessLog.wants(now); ok {
		t.accessLog.write(&f.flight, &f.conn.Peer, status, size, now-f.start, n)
	}
}

// stream responds with a body that comes in chunks, on a goroutine of its own.
func (f *loopFlight) stream() (goesOn bool) {
	c := f.conn
	t := c.loop.all.t
	f.call.Keep()
	if err := f.reply.Decode(f.call.Payload); err != nil {
		return f.badReply(err)
	}
	f.instance = f.call.Link.Peer().Instance
	resp := fasthttp.AcquireResponse()
	resp.Header.SetNoDefaultContentType(true)
	if t.respond(resp, f.head, &f.flight) != answered {
		fasthttp.ReleaseResponse(resp)
		f.up.errors.Inc()
		return f.refuse(badReply)
	}
	resp.SkipBody = f.head
	resp.Header.SetBytesKV(headerRequestID, f.requestID)
	if f.responseHead().close {
		resp.SetConnectionClose()
	}
	f.ended(resp.StatusCode(), resp.Header.ContentLength(), t.bus.Now())
	c.handOverStream(resp, f)
	return false
}
