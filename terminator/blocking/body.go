package blocking

import (
	"errors"
	"time"

	"nanofront/httpmsg"
	"nanofront/terminator/conns"
	"nanofront/terminator/exchange"
	"nanofront/terminator/http1"
)

// body reads the body of a request that was routed, and sends the request with it: whole, if it
// goes on the bus in one piece, else in pieces. length is -1 if it isn't known.
func (c *conn) body(x *exchange.Exchange, length int64) (goesOn bool) {
	if !x.Expected() { // asked before the body is gathered: see admission.Limiter.Full
		return c.refuse(x)
	}
	streams := x.TakesStreams()
	large := length > httpmsg.MaxWhole
	expects := c.scanner.Expects() && len(c.in) == 0
	waits := expects && streams && (large || length < 0) // for what its handler says to the head
	if expects && !waits && !c.sayContinue() {
		x.Gone()
		return c.await()
	}
	b := c.reader()
	if large || waits {
		return c.upload(x, b, nil, length) // its handler may answer before any of it comes
	}
	most := min(x.MaxBody(), httpmsg.MaxWhole)
	var whole []byte
	c.hasty = streams
	defer func() { c.hasty = false }()
	for c.scanner.InBody() && len(whole) <= most {
		data, err := b.next()
		if n := len(whole) + len(data); n > c.held {
			more := max(n-c.held, gathered)
			if c.held == 0 {
				c.owner = x.Owner()
			}
			if !c.d.Memory.Take(more, c.owner) {
				x.NoMemory()
				return c.await()
			}
			c.held += more
		}
		if errors.Is(err, errPaused) {
			break
		}
		if err != nil {
			return c.badBody(x, err)
		}
		whole = append(whole, data...)
		if c.scanner.Length() > int64(x.MaxBody()) {
			break // as the chunk says that begins
		}
	}
	switch {
	case c.scanner.Length() > int64(x.MaxBody()):
		x.Close = true
		x.TooLarge()
		return c.await()
	case !c.scanner.InBody():
		x.Start(whole)
		return c.await()
	default:
		return c.upload(x, b, whole, length)
	}
}

// beforeContinue is how long a handler has for an answer that needs no body before a client that
// asks is told to send that (RFC 9110 section 10.1.1). An answer of success comes behind 100
// Continue and the body all the same: Java's client takes any other for a refusal, and loses one
// that comes right behind 100 Continue.
const beforeContinue = 10 * time.Millisecond

// takeAndDrop has a client send its body, of which nobody wants anything, within the bounds of a
// linger.
func (c *conn) takeAndDrop(b *bodyReader) {
	if !c.sayContinue() {
		return
	}
	for total := 0; c.scanner.InBody() && total < conns.LingerBytes; {
		data, err := b.next()
		if err != nil {
			return
		}
		total += len(data)
	}
}

// sayContinue tells a client that has asked to send its body. False: it has gone.
func (c *conn) sayContinue() bool {
	return c.send([]byte(http1.Continue)) == len(http1.Continue)
}

// gathered is how many bytes of the front's memory are taken at once, at least, for a body that is
// gathered.
const gathered = 4 << 10

// badBody refuses for a body that is out of order or doesn't come.
func (c *conn) badBody(x *exchange.Exchange, err error) (goesOn bool) {
	var fault faultError
	if errors.As(err, &fault) {
		x.Fault(http1.Fault(fault), false)
	} else {
		x.Gone()
	}
	return c.await()
}

// upload sends the request with the beginning of its body, and then the rest as the client sends
// it. An answer that comes before the body's end is given at once, and the rest left unread.
func (c *conn) upload(x *exchange.Exchange, b *bodyReader, begin []byte, length int64) (goesOn bool) {
	c.hasty = false
	c.uploading.Store(true)
	defer c.uploading.Store(false)
	w, _ := x.Upload(begin, length)
	if w == nil {
		return c.await()
	}
	if c.scanner.Expects() && len(begin)+len(c.in) == 0 && x.TakesStreams() {
		early := time.NewTimer(beforeContinue)
		defer early.Stop()
		select {
		case <-c.ready:
			_ = w.Close() // it has failed: the call says why
			c.uploading.Store(false)
			if c.x.Response.Status < 300 {
				c.takeAndDrop(b)
			}
			return c.respond()
		case <-early.C:
		}
		if !c.sayContinue() {
			x.Stop(w, exchange.StopGone, http1.OK)
			return c.await()
		}
	}
	for c.scanner.InBody() {
		data, err := b.next()
		var fault faultError
		switch {
		case err == nil && c.scanner.Length() > int64(x.MaxBody()):
			x.Stop(w, exchange.StopTooLarge, http1.OK)
		case err == nil:
			if _, err := w.Write(data); err == nil {
				continue
			}
			_ = w.Close() // it has failed: the call says why
		case errors.Is(err, errAnswered):
			_ = w.Close() // as above
		case errors.As(err, &fault):
			x.Stop(w, exchange.StopFault, http1.Fault(fault))
		default:
			x.Stop(w, exchange.StopGone, http1.OK)
		}
		c.uploading.Store(false)
		return c.await()
	}
	c.uploading.Store(false)
	_ = w.Close() // if it has failed, the call says why
	return c.await()
}

// bodyReader reads a body in runs.
type bodyReader struct {
	c     *conn
	since int64 // when the piece began that is being waited for, on the table's clock
	bytes int   // that have come of it
}

func (c *conn) reader() *bodyReader { return &bodyReader{c: c, since: c.d.Table.Now()} }

// next returns the next run of the body; empty, if there was none in what was read. It is valid
// until the next call.
func (b *bodyReader) next() ([]byte, error) {
	c := b.c
	if len(c.in) == 0 {
		c.in = c.in[:0:0]
		if b.bytes >= conns.BodyPiece {
			b.since, b.bytes = c.d.Table.Now(), 0
		}
		if err := c.fill(conns.Body, b.since); err != nil {
			return nil, err
		}
		c.Enter(conns.Serving)
	}
	data, n, fault := c.scanner.ScanBody(c.in)
	if fault != http1.OK {
		return nil, faultError(fault)
	}
	c.in = c.in[n:]
	b.bytes += n
	return data, nil
}
