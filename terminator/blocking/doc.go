// Package blocking is the driver for whatever isn't ordinary: a goroutine serves the connection as long as that
// lasts. It reads requests that come in pieces, large or chunked bodies, Expect and HTTP/1.0, writes responses that
// the client is slow to take, and streams. A connection that has come from an event loop goes back to it when that
// is over; on systems without event loops all connections are here, for good.
//
// It reads through package http1 and hands nothing on that that has not found in order.
package blocking
