// Package terminator is the HTTP front: it ends the client's connection, turns
// each request into a message on the bus, parks the connection, and turns the
// reply into the response. It is stateless; run as many as you like.
//
// The way of a request, and the file in which each step is:
//
//	bytes ─▶ guard.go      deadlines, bounds, and strict HTTP/1.1 (package http1), below fasthttp
//	      ─▶ server.go     fasthttp parses the head
//	      ─▶ forward.go    the steps below, one after the other
//	      ─▶ admission.go  is there room for one more?
//	      ─▶ http1         the one form of the path, for routing and for sending on
//	      ─▶ routing.go    which service, with what limits
//	      ─▶ header.go     which fields go on; package forwarded: who the client is
//	      ═▶ bus           which instance, one message, one reply
//	      ─▶ retry.go      once more, elsewhere, if that is safe
//	      ─▶ outcome.go    the one table from cause to status
//	      ─▶ accesslog.go  a line, if it is its turn
//
// What it needs of the outside is in [Discovery] and [Options].
package terminator
