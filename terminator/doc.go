// Package terminator is the HTTP front: it turns requests into messages on the
// bus and the replies into responses. It holds connections and what is in
// flight, and nothing else.
//
// This package has the options, the wiring, and the order of draining. The
// parts, each with those that it may import:
//
//	eventloop ─▶ blocking ─▶ exchange ─▶ admission, forwarded ─▶ http1
//	    └───────────┴──▶ conns
//
//	eventloop  drives ordinary requests (Linux)
//	blocking   drives all others, a goroutine for each connection
//	conns      is the table of connections: limits, timeouts, ends
//	exchange   takes a request through its steps and counts it
//	admission  says what is let in
//	forwarded  says who the client is
//	http1      reads and writes HTTP/1.1, strictly
package terminator
