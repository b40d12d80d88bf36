package blocking

import (
	"errors"
	"io"

	"nanofront/nanobus"
	"nanofront/terminator/http1"
)

// errShort: less of a body has come than was announced.
var errShort = errors.New("blocking: the body is shorter than announced")

// streamed is the body of a response that streams, with its framing.
type streamed struct {
	http1.BodyFramer

	d   *nanobus.BodyReader
	buf *[piece]byte // held while there is always more
}

// next waits for a piece of the body and returns it as it is to be written, and how many bytes of
// the body that is. end is io.EOF when that is the last; another error when no more can come. out
// is valid until the next call.
func (s *streamed) next() (out []byte, n int, end error) {
	if s.buf != nil && s.d.Buffered() == 0 {
		s.release() // so that a quiet stream costs little
	}
	if err := s.d.Await(0); err != nil {
		if errors.Is(err, io.EOF) && s.Left > 0 {
			err = errShort
		}
		if errors.Is(err, io.EOF) {
			out = append(out, s.End()...)
		}
		return out, 0, err
	}
	if s.buf == nil {
		s.buf = pieces.Get().(*[piece]byte) //nolint:forcetypeassert // the pool has nothing else
	}
	n, err := s.d.Read(s.buf[http1.FramingRoom : piece-http1.FramingRoom])
	if err != nil {
		return nil, 0, err // it was closed just now
	}
	if n = s.Take(n); s.Full() {
		end = io.EOF
	}
	return s.Frame(s.buf[:], n), n, end
}

// first is next for what came with the head, to which it is appended.
func (s *streamed) first(head, data []byte) (out []byte, n int, end error) {
	if n = s.Take(len(data)); s.Full() {
		end = io.EOF
	}
	return s.Append(head, data[:n]), n, end
}

// release gives the buffer back.
func (s *streamed) release() {
	if s.buf != nil {
		pieces.Put(s.buf)
		s.buf = nil
	}
}
