package handlers

import "nanofront/httpmsg"

// Response is the answer being built. The zero Response is 200 without a body. The front, not the
// handler, sets content-length, connection and the like.
type Response struct {
	// Status is 200..599; 0 is taken for 200.
	Status int
	Header httpmsg.Fields
	Body   []byte
	// Length is the whole body's, of which Body is the beginning then and the
	// rest comes in chunks: in bytes, -1 if it isn't known. 0: Body is all, or
	// nothing is said. Exchange.Begin sets it.
	Length int64

	arena    []byte    // holds what Set was given
	exchange *Exchange // whose response it is, for Hold; nil: nobody's
}

// Set adds a header field, or replaces the first of that name. name must be in lower case.
func (r *Response) Set(name, value string) {
	at := len(r.arena)
	r.arena = append(append(r.arena, name...), value...)
	// A growing arena moves; what was cut from it before stays where it was.
	f := httpmsg.Field{Name: r.arena[at : at+len(name)], Value: r.arena[at+len(name):]}
	for i := range r.Header {
		if string(r.Header[i].Name) == name {
			r.Header[i] = f
			return
		}
	}
	r.Header = append(r.Header, f)
}

// Add adds a header field whose bytes are the caller's until the response is
// sent.
func (r *Response) Add(name, value []byte) {
	r.Header = append(r.Header, httpmsg.Field{Name: name, Value: value})
}

// Write appends to the body; it implements io.Writer and never fails.
func (r *Response) Write(p []byte) (int, error) {
	r.Body = append(r.Body, p...)
	return len(p), nil
}

// WriteString is Write for a string.
func (r *Response) WriteString(s string) (int, error) {
	r.Body = append(r.Body, s...)
	return len(s), nil
}

// keepBody caps the body buffer that Reset keeps.
const keepBody = 64 << 10

// Reset empties the response and keeps its memory.
func (r *Response) Reset() {
	body := r.Body
	if cap(body) > keepBody {
		body = nil
	}
	*r = Response{Header: r.Header[:0], Body: body[:0], arena: r.arena[:0], exchange: r.exchange}
}

// wire is the response as the bus carries it.
func (r *Response) wire() httpmsg.Response {
	return httpmsg.Response{Status: r.Status, Header: r.Header, Body: r.Body, Length: r.Length}
}

// check reports what in the response can't be encoded.
func (r *Response) check() error {
	m := r.wire()
	return m.Check()
}

// decode reads a response, whose bytes alias b; Header's memory is used again.
func (r *Response) decode(b []byte) error {
	m := r.wire()
	err := m.Decode(b)
	r.Status, r.Header, r.Body, r.Length = m.Status, m.Header, m.Body, m.Length
	return err
}

// release empties a decoded response, whose body is not its own.
func (r *Response) release() { *r = Response{Header: r.Header[:0], arena: r.arena[:0]} }

// encoded is a response as nanobus.Payload, which keeps AppendTo out of what handlers see.
type encoded Response

// AppendTo implements nanobus.Payload.
func (e *encoded) AppendTo(dst []byte) []byte {
	m := (*Response)(e).wire()
	return m.AppendTo(dst)
}
