package terminator

import (
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"

	"nanofront/internal/httpmsg"
	"nanofront/nanobus"
)

// errClientBody: the client's body has ended before it was complete. The guard
// has said why, if the client is still there to hear it.
var errClientBody = errors.New("terminator: the client's body is incomplete")

// errBodyTooLarge: more has come than the route takes.
var errBodyTooLarge = errors.New("terminator: the body is larger than the route takes")

// keepWhole caps the buffer for whole bodies that a flight keeps.
const keepWhole = 64 << 10

// requestBody reads the request's body as far as it goes on the bus in one
// piece. rest is what follows; nil: nothing does.
func (f *flight) requestBody(ctx *fasthttp.RequestCtx, maxBody int) (rest io.Reader, err error) {
	stream := ctx.RequestBodyStream()
	if stream == nil {
		return nil, nil // no body, nor anything that announces one
	}
	length := ctx.Request.Header.ContentLength()
	if length > maxBody {
		return nil, errBodyTooLarge
	}
	if length > httpmsg.MaxWhole {
		f.msg.Length = int64(length)
		return stream, nil
	}
	room := length
	if length < 0 {
		room = min(maxBody, httpmsg.MaxWhole) + 1 // one more tells whether there is more
	}
	f.body = f.body[:0]
	for len(f.body) < room || length < 0 {
		if len(f.body) == cap(f.body) {
			f.body = append(f.body, 0)[:len(f.body)]
		}
		n, err := stream.Read(f.body[len(f.body):min(cap(f.body), room)])
		f.body = f.body[:len(f.body)+n]
		ended := errors.Is(err, io.EOF)
		if err != nil && (!ended || len(f.body) < length) {
			return nil, errClientBody
		}
		if ended {
			break
		}
		if length < 0 && len(f.body) == room {
			f.msg.Body, f.msg.Length = f.body, -1
			if len(f.body) > maxBody {
				return nil, errBodyTooLarge
			}
			return stream, nil
		}
	}
	f.msg.Body = f.body
	return nil, nil
}

// uploadBuffers have a piece of a body between the client and the bus.
var uploadBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// upload sends a request whose body goes on in rest, as it comes from the
// client, and waits for the reply. It is not tried again: its body is gone. A
// reply that begins before the body's end is taken, and the rest of the body
// left unread.
func (t *Terminator) upload(ctx *fasthttp.RequestCtx, conn *guardConn, f *flight, up *upstream, rest io.Reader) error {
	f.call.SendMore, f.call.StopOnReply = true, true
	if err := up.service.Go(f.call, &f.msg, up.timeout); err != nil {
		return err
	}
	if conn != nil {
		conn.waiting.Store(f.call.ID())
		defer conn.waiting.Store(0)
	}
	err := f.pump(rest, f.call.Upload, int64(up.maxBody))
	if err != nil {
		// What is unread of the body can't be told from the next request.
		ctx.SetConnectionClose()
	}
	f.call.Wait()
	if err != nil {
		return err
	}
	return f.call.Err
}

// pump copies the body. nil: complete, or the reply has come; an error is the client's.
func (f *flight) pump(rest io.Reader, to *nanobus.BodyWriter, maxBody int64) error {
	buf := uploadBuffers.Get().(*[32 << 10]byte) //nolint:forcetypeassert // the pool has nothing else
	defer uploadBuffers.Put(buf)
	total := int64(len(f.msg.Body))
	for {
		n, err := rest.Read(buf[:])
		if total += int64(n); total > maxBody {
			to.Break(nanobus.CodeCancelled, "the body is larger than the route takes")
			return errBodyTooLarge
		}
		if _, failed := to.Write(buf[:n]); failed != nil {
			f.unread = true
			_ = to.Close() // it has failed: the call says why
			return nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && (f.msg.Length < 0 || total == f.msg.Length):
			_ = to.Close() // as above
			return nil
		default:
			to.Break(nanobus.CodeCancelled, "the client's body is incomplete")
			return errClientBody
		}
	}
}

// download is a response's body that comes in chunks, as fasthttp reads it.
type download struct {
	head []byte // what came with the reply
	rest *nanobus.BodyReader
	left int64 // of the announced length; -1: not announced
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (n int, err error) {
	if len(d.head) > 0 {
		n = copy(p, d.head)
		d.head = d.head[n:]
	} else {
		n, err = d.rest.Read(p)
	}
	if d.left >= 0 {
		// fasthttp would take too much for a fault of ours and say so at the
		// end; what is too little it finds itself.
		n = int(min(int64(n), d.left))
		if d.left -= int64(n); d.left == 0 && err == nil {
			err = io.EOF
		}
	}
	return n, err
}

// WriteTo implements io.WriterTo: in larger pieces than fasthttp's own.
func (d *download) WriteTo(w io.Writer) (total int64, err error) {
	buf := uploadBuffers.Get().(*[32 << 10]byte) //nolint:forcetypeassert // the pool has nothing else
	defer uploadBuffers.Put(buf)
	for {
		n, err := d.Read(buf[:])
		if n > 0 {
			n, werr := w.Write(buf[:n])
			total += int64(n)
			if werr != nil {
				return total, werr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// Close implements io.Closer: whoever is still sending is told to stop.
func (d *download) Close() error { return d.rest.Close() }

// streams reports whether the flight's body, or its reply's, came in chunks: its time
// is the client's pace, and says nothing of the handlers.
func (f *flight) streams() bool { return f.call.Upload != nil || f.call.Download != nil }
