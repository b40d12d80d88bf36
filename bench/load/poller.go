package load

import (
	"errors"
	"net"
	"time"
)

// poller is what a worker knows of sockets. Connections have the numbers from
// 0 on. Nothing blocks but wait, and one goroutine calls all of it.
type poller interface {
	// open begins to connect. An event says when that is done.
	open(i int) error
	// connected says, after the first event, how connecting went.
	connected(i int) error
	// write returns how many bytes were taken, perhaps none.
	write(i int, b []byte) (int, error)
	// read returns how many bytes were there; errAgain if none, and io.EOF at the end.
	read(i int, b []byte) (int, error)
	// close ends a connection; there are no more events for it.
	close(i int)
	// wait waits for events, for at most a time, and returns what there is. It may return
	// none before that. Events are edges: one more comes only after
	// read or write has met its limit.
	wait(d time.Duration) ([]event, error)
	// current reports whether an event is of the connection's present socket, which may have been
	// closed and opened since wait returned it.
	current(e *event) bool
	// shutdown closes everything.
	shutdown()
}

// event says what a connection is ready for.
type event struct {
	conn       int
	readable   bool
	writable   bool
	ended      bool   // the other side may have finished: read until errAgain
	generation uint32 // of the socket, for current
}

// errAgain: nothing to read now.
var errAgain = errors.New("load: nothing to read")

// newPoller returns the cheapest poller that there is.
func newPoller(conns int, addr *net.TCPAddr, portable bool) (poller, error) {
	if portable {
		return newPoll2(conns, addr)
	}
	return newNativePoller(conns, addr)
}
