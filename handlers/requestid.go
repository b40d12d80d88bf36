package handlers

import (
	"bytes"
	"context"

	"nanofront/httpmsg"
)

// requestID is the field that says which request of a client something belongs to.
var requestID = []byte("x-request-id")

// requestIDKey is the id of a request in its context.
type requestIDKey struct{}

// passID has the call carry the id of the request that it is made for, unless it says one itself.
// That is done while somebody listens in here, to whom it links the hops; at other times it would
// only make each call longer.
func (c *Call) passID(id []byte) {
	if len(id) == 0 || c.Request.Header.Get("x-request-id") != nil {
		return
	}
	h := make(httpmsg.Fields, 0, len(c.Request.Header)+1) // the caller's own memory stays as it is
	h = append(h, c.Request.Header...)
	c.Request.Header = append(h, httpmsg.Field{Name: requestID, Value: bytes.Clone(id)})
}

// withID is ctx with the id of a request, for calls by Do.
func withID(ctx context.Context, req *Request) context.Context {
	id := req.Header.Get("x-request-id")
	if id == nil {
		return ctx
	}
	return context.WithValue(ctx, requestIDKey{}, bytes.Clone(id)) // it may outlive the exchange
}
