// Package eventloop is the driver for ordinary requests over plaintext HTTP/1.1, on Linux: requests
// that are complete at the first read, with responses that the socket accepts at once. Nearly all
// are, and they need neither a goroutine nor a timer nor a second read: one read, one write, and a
// share of one poll. A response that streams stays on its loop, too, however long it is quiet: see
// stream. A connection with anything else (a large or slow request, chunks, Expect, HTTP/1.0, a
// whole response that the client is slow to read) passes to package blocking, with all bytes read
// so far, and comes back when that is over.
//
// A connection's state says who may touch it: see conn.
package eventloop
