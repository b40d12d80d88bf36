// Package blocking is the driver for everything that isn't ordinary: one goroutine serves the
// connection for as long as that lasts. It reads requests that arrive in pieces, large or chunked
// bodies, Expect and HTTP/1.0, and writes streams and responses that the client is slow to read. A
// connection from an event loop returns to it afterwards; on systems without event loops this
// driver serves all connections.
//
// It reads through package http1 and passes on only what http1 has accepted.
package blocking
