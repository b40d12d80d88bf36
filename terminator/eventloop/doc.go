// Package eventloop is the driver for ordinary requests over plaintext HTTP/1.1, on Linux: those that are there whole
// at the first look, and whose response the socket takes at once. That is nearly all of them, and for those neither a
// goroutine nor a timer nor a second read is needed: one read, one write, and a share of what finds out which
// connections are ready. A response that streams stays on its loop, too, however long it is quiet: see stream. A
// connection with anything else (a large or slow request, chunks, Expect, HTTP/1.0, a whole response that the client is
// slow to take) passes to package blocking, with all bytes read so far, and comes back when that is over.
//
// A connection's state says who may touch it: see conn.
package eventloop
