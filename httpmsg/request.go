package httpmsg

import "fmt"

// Request is an HTTP request as it travels on the bus.
//
//	method(8) scheme(8) host(16) path(16) query(16) client(8) fields body(32) [length(64) [load(8) [version(8) decision(16)]]]
//
// where (n) is a length of n bits before the bytes, and fields is a 16-bit
// count, then name(8) value(16) for each.
type Request struct {
	Method []byte
	Scheme []byte // "http" or "https"
	Host   []byte
	Path   []byte // normalised, still percent-encoded, begins with '/'
	Query  []byte // raw, without '?'
	Client []byte // textual IP address of the client
	Header Fields
	Body   []byte
	// Length is the whole body's, of which Body is the beginning then and the
	// rest comes in chunks: in bytes, -1 if it isn't known. 0: Body is all, or
	// nothing is said.
	Length int64
	// Load is how much more the front has for the service than it can do: 0 no more, 1 hardly, 2 at
	// least a tenth of its requests are refused, 3 at least half. A handler may answer with less
	// then.
	Load uint8
	// Version is which version of the service that it goes to is meant; empty: any. Only with a
	// Decision.
	Version []byte
	// Decision is what the front has decided about the request; empty: nothing. It goes on with
	// what is called for it.
	Decision Decision
}

// Check reports what in the request can't be encoded.
func (r *Request) Check() error {
	for _, f := range []struct {
		name  string
		value []byte
		max   int
	}{
		{"method", r.Method, 255},
		{"scheme", r.Scheme, 255},
		{"host", r.Host, MaxValue},
		{"path", r.Path, MaxValue},
		{"query", r.Query, MaxValue},
		{"client", r.Client, 255},
		{"version", r.Version, 255},
		{"decision", r.Decision, MaxValue},
	} {
		if len(f.value) > f.max {
			return fmt.Errorf("httpmsg: %s of %d bytes: want at most %d", f.name, len(f.value), f.max)
		}
	}
	return r.Header.check()
}

// AppendTo appends the request's bytes. What Check objects to is
// cut, so that it can't be taken for what stands behind it.
func (r *Request) AppendTo(dst []byte) []byte {
	dst = append8(dst, r.Method)
	dst = append8(dst, r.Scheme)
	dst = append16(dst, r.Host)
	dst = append16(dst, r.Path)
	dst = append16(dst, r.Query)
	dst = append8(dst, r.Client)
	dst = r.Header.appendTo(dst)
	dst = appendBody(dst, r.Body, r.Length)
	if r.Load != 0 || len(r.Decision) > 0 {
		if r.Length == 0 {
			dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		}
		dst = append(dst, r.Load)
	}
	if len(r.Decision) > 0 {
		dst = append16(append8(dst, r.Version), r.Decision)
	}
	return dst
}

// Decode reads a request. All fields alias b; Header's memory is used again.
// Bytes behind the body belong to a later revision and are ignored.
func (r *Request) Decode(b []byte) (err error) {
	var ok bool
	if r.Method, b, ok = take8(b); !ok {
		return fmt.Errorf("%w: ends inside the method", ErrMalformed)
	}
	if r.Scheme, b, ok = take8(b); !ok {
		return fmt.Errorf("%w: ends inside the scheme", ErrMalformed)
	}
	if r.Host, b, ok = take16(b); !ok {
		return fmt.Errorf("%w: ends inside the host", ErrMalformed)
	}
	if r.Path, b, ok = take16(b); !ok {
		return fmt.Errorf("%w: ends inside the path", ErrMalformed)
	}
	if r.Query, b, ok = take16(b); !ok {
		return fmt.Errorf("%w: ends inside the query", ErrMalformed)
	}
	if r.Client, b, ok = take8(b); !ok {
		return fmt.Errorf("%w: ends inside the client's address", ErrMalformed)
	}
	if r.Header, b, err = r.Header.decode(b); err != nil {
		return err
	}
	if r.Body, r.Length, err = takeBody(b); err != nil {
		return err
	}
	r.Load, r.Version, r.Decision = 0, nil, nil
	if behind := b[4+len(r.Body):]; len(behind) > 8 {
		r.Load = behind[8]
		if len(behind) > 9 {
			r.takeDecision(behind[9:])
		}
	}
	return nil
}

// takeDecision reads version and decision. Both are there, or neither counts.
func (r *Request) takeDecision(b []byte) {
	version, b, ok := take8(b)
	if !ok {
		return
	}
	if decision, _, ok := take16(b); ok && len(decision) > 0 {
		r.Version, r.Decision = version, decision
	}
}

// Reset empties the request and keeps its memory.
func (r *Request) Reset() { *r = Request{Header: r.Header[:0]} }
