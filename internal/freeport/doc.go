// Package freeport finds TCP ports of the loopback interface for programs that
// are about to be started, and for servers that come back where they were.
//
// Listen on port 0 instead where you can. Where the number has to be known before,
// one that the system has given out by itself is a bad choice: once it is free
// again it may become another program's end of some connection before the one
// that it is for listens. The ports of this package are from below those, and
// processes that look for some at the same time look in different places.
//
//	addr, err := freeport.Addr() // 127.0.0.1:23456
package freeport
