package httpmsg

import (
	"encoding/binary"
	"fmt"
)

// Response is an HTTP response as it travels on the bus.
//
//	status(16 bits) fields body(32) [length(64)]
type Response struct {
	// Status is 200..599; 0 is taken for 200.
	Status int
	Header Fields
	Body   []byte
	// Length is the whole body's, of which Body is the beginning then and the
	// rest comes in chunks: in bytes, -1 if it isn't known. 0: Body is all, or
	// nothing is said.
	Length int64
}

// Set adds a header field, or replaces the first of that name. name is to be
// in lower case.
func (r *Response) Set(name, value string) {
	for i := range r.Header {
		if string(r.Header[i].Name) == name {
			r.Header[i].Value = []byte(value)
			return
		}
	}
	r.Add([]byte(name), []byte(value))
}

// Add adds a header field whose bytes are the caller's until the response is
// encoded.
func (r *Response) Add(name, value []byte) {
	r.Header = append(r.Header, Field{Name: name, Value: value})
}

// Check reports what in the response can't be encoded.
func (r *Response) Check() error {
	if r.Status != 0 && (r.Status < 200 || r.Status > 599) {
		return fmt.Errorf("httpmsg: status %d: want 200 to 599", r.Status)
	}
	return r.Header.check()
}

// AppendTo appends the response's bytes. What Check objects to is
// cut, so that it can't be taken for what stands behind it.
func (r *Response) AppendTo(dst []byte) []byte {
	status := r.Status
	if status == 0 {
		status = 200
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(status))
	dst = r.Header.appendTo(dst)
	return appendBody(dst, r.Body, r.Length)
}

// Decode reads a response. Header and Body alias b; Header's memory is used
// again. Bytes behind the body belong to a later revision and are ignored.
func (r *Response) Decode(b []byte) (err error) {
	if len(b) < 2 {
		return fmt.Errorf("%w: ends inside the status", ErrMalformed)
	}
	r.Status = int(binary.BigEndian.Uint16(b))
	if r.Status < 200 || r.Status > 599 {
		return fmt.Errorf("%w: status %d", ErrMalformed, r.Status)
	}
	if r.Header, b, err = r.Header.decode(b[2:]); err != nil {
		return err
	}
	r.Body, r.Length, err = takeBody(b)
	return err
}

// Release empties a decoded response, whose body is not its own, and keeps its memory.
func (r *Response) Release() { *r = Response{Header: r.Header[:0]} }
