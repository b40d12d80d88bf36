// Package blocking is the driver for everything that isn't ordinary: one goroutine serves the
// connection for as long as that lasts. It reads requests that arrive in pieces, large or chunked
// bodies, Expect and HTTP/1.0, and writes streams and responses that the client is slow to read. A
// connection from an event loop returns to it afterwards; on systems without event loops this
// driver serves all connections.
//
// Unlike an event loop it never turns requests away for being late itself (admission.Lag). A loop
// knows since when it has not looked at its sockets; here each connection's goroutine sleeps until
// its socket has something, and how long it then waited for a thread only the scheduler knows, by a
// histogram of all goroutines of the process that is dear to read. What passes here is little where
// there are loops, and bounded as all is: by the gates, the connections and --client-memory.
//
// It reads through package http1 and passes on only what http1 has accepted.
package blocking
