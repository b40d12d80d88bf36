package handlers

import (
	"bytes"
	"net/url"

	"nanofront/httpmsg"
)

// Request is an HTTP request. Its byte slices are parts of the message that it came in: they are
// valid until it is answered, and must not be changed. Fields of the header have names in lower
// case; req.Header.Get("accept") is the first of that name.
type Request struct {
	Method []byte
	Scheme []byte // "http" or "https"
	Host   []byte
	Path   []byte // normalised, still percent-encoded, begins with '/'
	Query  []byte // raw, without '?'
	Client []byte // textual IP address of the client
	Header httpmsg.Fields
	Body   []byte
	// Length is the whole body's, of which Body is the beginning then and the
	// rest comes in chunks: in bytes, -1 if it isn't known. 0: Body is all, or
	// nothing is said. Only a StreamHandler sees others than 0.
	Length int64
	// Load is how much more the front has for this service than it can do: 0 no more, 1 hardly, 2
	// at least a tenth of its requests are refused, 3 at least half. A handler may answer with less
	// then, so that more are answered.
	Load uint8

	// Version is which version of this service is meant; empty: any. A [Client] sets it.
	Version []byte
	// Decision is what the front has decided about the request; empty: nothing. Calls follow it.
	Decision httpmsg.Decision
}

// Revision is etcd's of the routes document by which the front has decided about the request; 0: by
// none, or one without versions.
func (r *Request) Revision() int64 { return r.Decision.Revision() }

// Variant is the request's variant of an experiment; "" if it takes no part in it.
func (r *Request) Variant(experiment string) string { return string(r.Decision.Variant(experiment)) }

// Param returns the first value of a query parameter, decoded; "" if it is
// not there.
func (r *Request) Param(name string) string {
	if !bytes.Contains(r.Query, []byte(name)) {
		return ""
	}
	v, _ := url.ParseQuery(string(r.Query))
	return v.Get(name)
}

// wire is the request as the bus carries it: the same memory.
func (r *Request) wire() *httpmsg.Request { return (*httpmsg.Request)(r) }
