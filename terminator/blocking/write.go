package blocking

import (
	"errors"
	"io"
	"time"

	"nanofront/nanobus"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
)

// joined is up to where a body is written together with its head.
const joined = 16 << 10

// head makes the head of the response.
func (c *conn) head(x *exchange.Exchange) []byte {
	r := &x.Response
	h := http1.ResponseHead{Status: r.Status, Fields: r.Fields, Length: r.Length, RequestID: x.RequestID()}
	switch {
	case r.Length == exchange.NotSaid:
		h.Length = http1.LengthUnset
	case r.Length == exchange.NotKnown && c.scanner.Old():
		h.Length = http1.CloseEnded // RFC 9112 section 6.1: no chunks to HTTP/1.0
		x.Close = true
	case r.Length == exchange.NotKnown:
		h.Length = http1.Chunked
	}
	h.Close, h.KeepAlive = x.Close, c.scanner.Old()
	return h.AppendTo(nil, c.d.Date)
}

// write writes the response, of which done bytes have been; head is nil if none. It returns true if
// the connection goes on.
func (c *conn) write(x *exchange.Exchange, head []byte, done int) (goesOn bool) {
	body := x.Response.Body
	if head == nil {
		head = c.head(x)
	}
	all := len(head) + len(body)
	if n := len(head); done == 0 && len(body) <= joined {
		done = c.send(append(head, body...))
		head = head[:n]
	} else {
		if done < n {
			done += c.send(head[done:])
		}
		if done >= n {
			done += c.send(body[done-n:])
		}
	}
	if done < all {
		return c.finish(x, len(head), done, Lost(c.Conn))
	}
	return c.finish(x, len(head), done, exchange.Complete)
}

// hold is write, with what is still to be written held against the front's memory. If that is used
// up the client is given up: it is slow to take what others may be waiting to be served from.
func (c *conn) hold(x *exchange.Exchange, head []byte, done int) (goesOn bool) {
	n := len(x.Response.Body)
	if n <= joined {
		return c.write(x, head, done)
	}
	owner := x.Owner()
	if !c.d.Memory.Take(n, owner) {
		c.OutOfMemory()
		c.closed.Store(true)
		conns.ForgetConn(c.sock)
		return c.finish(x, len(head), done, exchange.NoMemory)
	}
	defer c.d.Memory.Give(n, owner)
	return c.write(x, head, done)
}

// send writes b and returns how much of it the system has taken.
func (c *conn) send(b []byte) (n int) {
	if len(b) == 0 || c.closed.Load() {
		return 0
	}
	c.Enter(conns.Writing)
	_ = conns.Write(c.sock, b, func(m int) { // what the system hasn't taken says enough
		n += m
		c.Wrote(m, n < len(b))
	})
	if c.download != nil { // by this goroutine only
		c.Enter(conns.Streaming)
	} else {
		c.Enter(conns.Serving)
	}
	return n
}

// finish ends the exchange, of whose response the system has taken so many bytes, a head of so many
// in front. end is how, if it has taken all that there was. It returns true if the connection goes
// on.
func (c *conn) finish(x *exchange.Exchange, head, taken int, end exchange.End) (goesOn bool) {
	goesOn = end == exchange.Complete && !x.Close
	x.Finish(int64(min(taken, head)), int64(max(taken-head, 0)), end)
	return goesOn
}

// Lost is how an exchange ended whose response the client hasn't taken.
func Lost(c *conns.Conn) exchange.End {
	switch c.Aborted() {
	case conns.WriteTimeout:
		return exchange.WriteTimeout
	case conns.DrainTimeout:
		return exchange.Drained
	case conns.NoMemory:
		return exchange.NoMemory
	default:
		return exchange.ClientGone
	}
}

// FirstWait is how long a stream's head waits for the first byte of its body, which it may leave
// with; a handler that fails at once so is a 502, and not a 200 that breaks off.
const FirstWait = 2 * time.Millisecond

// stream writes a response whose body comes in chunks, each piece when it is there.
func (c *conn) stream(x *exchange.Exchange) (goesOn bool) {
	d := x.Stream()
	c.mu.Lock()
	c.download = d
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.download = nil
		c.mu.Unlock()
	}()
	if len(x.Response.Body) == 0 && !x.Bodyless() {
		if err := d.Await(FirstWait); err != nil && !errors.Is(err, io.EOF) && !c.gone.Load() {
			x.Broken(err) // calls Answer
			<-c.ready
			return c.write(x, nil, 0)
		}
	}
	if x.Bodyless() {
		_ = d.Close() // nobody reads it
		x.Response.Body = nil
		return c.write(x, nil, 0)
	}
	return c.copy(x, d)
}

// copy writes the head and what comes of the body.
func (c *conn) copy(x *exchange.Exchange, d *nanobus.BodyReader) (goesOn bool) {
	chunked := x.Response.Length == exchange.NotKnown && !c.scanner.Old()
	s := streamed{d: d, BodyFramer: http1.BodyFramer{Left: x.Response.Length, Chunked: chunked}}
	defer s.release()
	out := c.head(x)
	head := len(out)
	out, taken, end := s.first(out, x.Response.Body)
	for {
		if n := c.send(out); n < len(out) {
			return c.finish(x, head, head+taken, Lost(c.Conn))
		}
		switch {
		case end == nil:
		case errors.Is(end, io.EOF):
			return c.finish(x, head, head+taken, exchange.Complete)
		case c.gone.Load():
			return c.finish(x, head, head+taken, exchange.ClientGone)
		case c.drained.Load():
			return c.finish(x, head, head+taken, exchange.Drained)
		default:
			return c.finish(x, head, head+taken, exchange.Broken)
		}
		var n int
		out, n, end = s.next()
		taken += n
	}
}
