package rawhttp

import (
	"errors"
	"net"
	"time"
)

// Poller is all that a client's loop knows of its sockets. Connections have the numbers from
// 0 on. Nothing blocks but Wait, and one goroutine calls all of it.
type Poller interface {
	// Open begins to connect. An event says when that is done.
	Open(i int) error
	// Connected says, after the first event, how connecting went.
	Connected(i int) error
	// Write returns how many bytes were taken, perhaps none.
	Write(i int, b []byte) (int, error)
	// Read returns how many bytes were there; ErrAgain if none, and io.EOF at the end.
	Read(i int, b []byte) (int, error)
	// Close ends a connection; there are no more events for it.
	Close(i int)
	// Wait waits for events, for at most a time, and returns those that have come. It may return
	// none before that. Events are edges: one more comes only after
	// Read or write has met its limit.
	Wait(d time.Duration) ([]Event, error)
	// Current reports whether an event is of the connection's present socket, which may have been
	// closed and opened since Wait returned it.
	Current(e *Event) bool
	// Shutdown closes everything.
	Shutdown()
}

// Event says what a connection is ready for.
type Event struct {
	Conn       int
	Readable   bool
	Writable   bool
	Ended      bool   // the other side may have finished: read until ErrAgain
	generation uint32 // of the socket, for Current
}

// ErrAgain: nothing to read now.
var ErrAgain = errors.New("rawhttp: nothing to read")

// NewPoller returns the cheapest poller that there is, for so many connections to an address; with
// portable the one on poll(2), which all systems have.
func NewPoller(conns int, addr *net.TCPAddr, portable bool) (Poller, error) {
	if portable {
		return newPoll2(conns, addr)
	}
	return newNativePoller(conns, addr)
}
