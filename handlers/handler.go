package handlers

import (
	"context"
	"errors"
	"fmt"
)

// Handler answers one request at a time. Serve runs on a goroutine of a bounded pool and may block.
// An error from [Status] becomes a response with that status; any other error, a nil pointer in an
// error, and a panic become a 500 without details, and are logged.
type Handler interface {
	Serve(ctx context.Context, req *Request, resp *Response) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, req *Request, resp *Response) error

// Serve implements Handler.
func (f HandlerFunc) Serve(ctx context.Context, req *Request, resp *Response) error {
	return f(ctx, req, resp)
}

// BatchHandler answers many requests at a time: all that had gathered when a worker became free, at
// most Options.MaxBatch. Each Exchange must be finished exactly once, with Done or Fail, in any
// order, from any goroutine, before or after ServeBatch returns; what happens to one has no bearing
// on the others. The slice itself is valid until ServeBatch returns; it may be reordered. If
// ServeBatch panics, the exchanges that it has not finished fail with 500, and anything it has
// started for them has no effect.
type BatchHandler interface {
	ServeBatch(batch []*Exchange)
}

// BatchFunc is a function as a BatchHandler.
type BatchFunc func(batch []*Exchange)

// ServeBatch implements BatchHandler.
func (f BatchFunc) ServeBatch(batch []*Exchange) { f(batch) }

// StatusError is an error that the client sees. [Status] makes one.
type StatusError struct {
	Status int
	Text   string
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s", e.Status, e.Text)
}

// Status returns an error that answers the request with that status (400 to
// 599) and a short text for the client.
func Status(status int, format string, args ...any) error {
	return &StatusError{Status: status, Text: fmt.Sprintf(format, args...)}
}

// ErrUnavailable: a called service has no instance that accepts the request. The answer is a 503.
var ErrUnavailable = errors.New("handlers: service unavailable")
