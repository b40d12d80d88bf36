package eventloop

import (
	"bytes"
	"sync"

	"nanofront/nanobus"
	"nanofront/terminator/blocking"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
)

const (
	// keepOut is up to where a body is copied behind the response's head; a larger one is written
	// from where it lies.
	keepOut = 16 << 10

	// serveMost is how many requests of one connection are served in a row
	// before others have their turn; serveOne is for goroutines that have
	// better to do.
	serveMost = 64
	serveOne  = 1
)

// batch is what serving needs beside the connection: where requests gather, if they do, and memory
// to read into.
type batch struct {
	requests *nanobus.Batch
	buf      []byte
	head     http1.Head
	refuses  bool // the front is the bottleneck, and this came late
}

// batches are for serving on goroutines other than the loops'.
var batches = sync.Pool{New: func() any { return &batch{buf: make([]byte, loopBuffer)} }}

// serveLater is serve on a goroutine that isn't the loop's. The caller owns c.
func (c *conn) serveLater(most int) {
	b := batches.Get().(*batch) //nolint:forcetypeassert // the pool has nothing else
	c.firstByte = c.loop.all.Front.Now()
	c.serve(b, most)
	batches.Put(b)
}

// serve reads and serves requests until one is under way, or there are no
// more, or there were most; then another goroutine goes on. The caller owns c.
func (c *conn) serve(b *batch, most int) {
	defer func() {
		if p := recover(); p != nil { // in what stands before an exchange, which contains its own
			c.loop.all.Front.Panicked(p)
			c.close()
		}
	}()
	for {
		switch {
		case c.ended:
			if !c.drop(b.buf) {
				return
			}
		case len(c.held) > 0:
			if !c.request(b, c.held) || len(c.held) == 0 && c.release() {
				return
			}
		default:
			n, ended := c.read(b.buf)
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
			if !c.request(b, b.buf[:n]) || len(c.held) == 0 && c.release() {
				return
			}
		}
		if most--; most <= 0 {
			go c.serveLater(serveMost)
			return
		}
	}
}

// request takes up the request that in begins with. It returns true if that is
// answered and the connection still the caller's.
func (c *conn) request(b *batch, in []byte) (goesOn bool) {
	front := c.loop.all.Front
	n, fault := c.scanner.ScanOne(in, &b.head)
	if !c.scanner.Plain() || fault == http1.OK && (!c.scanner.Between() || in[0] == '\r') {
		c.pass(in)
		return false
	}
	x := front.Take(c, &c.Peer, &c.Call, c.firstByte)
	if fault != http1.OK {
		c.held = nil
		return x.Fault(fault, c.scanner.Head())
	}
	rest := in[n:]
	switch {
	case n == len(c.held):
		c.held = nil // and its memory
	case len(c.held) > 0:
		c.held = c.held[n:]
	case len(rest) > 0:
		c.held = bytes.Clone(rest)
	}
	if b.refuses {
		return x.TurnAway(in[:n], &b.head, int(c.scanner.Length()))
	}
	return x.Serve(b.requests, in[:n], &b.head, int(c.scanner.Length()))
}

// head makes the head of the response, in x.Out.
func (c *conn) head(x *exchange.Exchange) {
	r := &x.Response
	h := http1.ResponseHead{Status: r.Status, Fields: r.Fields, Length: r.Length, RequestID: x.RequestID(), Close: x.Close}
	switch r.Length {
	case exchange.NotSaid:
		h.Length = http1.LengthUnset
	case exchange.NotKnown:
		h.Length = http1.Chunked
	}
	x.Out = h.AppendTo(x.Out[:0], c.loop.all.Date)
}

// Answer implements exchange.Responder. A response that is one of many that one goroutine has
// brought is written by the connection's loop.
func (c *conn) Answer(x *exchange.Exchange) (goesOn bool) {
	if x.Crowded() {
		x.Keep()
		c.writes.Store(x)
		c.loop.later(c)
		return false
	}
	return c.answer(x)
}

func (c *conn) answer(x *exchange.Exchange) (goesOn bool) {
	r := &x.Response
	x.Close = x.Close || c.closing.Load()
	c.head(x)
	head, out, body := len(x.Out), x.Out, r.Body
	if n := len(body); n > 0 && n <= keepOut {
		x.Out = append(x.Out, body...)
		out, body = x.Out, nil
	}
	n, ok := c.write(out, body)
	size := len(out) + len(body)
	c.Wrote(n, n < size)
	switch {
	case !ok:
		x.Finish(0, 0, exchange.ClientGone)
		c.close()
		return false
	case n < size: // the client is slow to take it
		c.passWriting(x, x.Out[:head], n)
		return false
	}
	closes := x.Close
	x.Finish(int64(head), int64(n-head), exchange.Complete)
	if closes {
		c.end()
		return false
	}
	return true
}

// Begin implements exchange.Responder. The response is its loop's from here on: see stream.
func (c *conn) Begin(x *exchange.Exchange) (goesOn bool) {
	if x.Bodyless() {
		_ = x.Stream().Close() // nobody reads it
		x.Response.Body = nil
		return c.answer(x)
	}
	x.Keep()
	c.begins.Store(x)
	c.loop.later(c)
	return false
}

// Drop implements exchange.Responder.
func (c *conn) Drop(x *exchange.Exchange) (goesOn bool) {
	x.Finish(0, 0, blocking.Lost(&c.Conn))
	c.close()
	return false
}

// Held implements exchange.Responder.
func (c *conn) Held(*exchange.Exchange) { c.Enter(conns.Held) }

// Next implements exchange.Responder.
func (c *conn) Next() {
	if len(c.held) > 0 || !c.release() {
		c.serveLater(serveOne)
	}
}
