// Package rawsock reads and writes sockets without telling the runtime's
// scheduler.
//
// A system call that goes through the scheduler wakes the runtime's monitor thread if it sleeps, as
// it does at all but the highest rates: two context switches and a second core woken, in vain if
// the call can't block. Here a goroutine still waits in the runtime's poller, but what it does
// between two waits are raw calls with MSG_DONTWAIT.
//
//	s := rawsock.Of(conn)            // nil: conn has no such thing
//	n, err := s.Read(p)              // waits, as conn.Read does
//	n, err := s.TryWrite(head, body) // never waits: 0 if the socket is full
//
// Deadlines and Close of the connection apply as they do to its own Read and Write. A call holds
// its core until it returns, and with that the garbage collector's stop, so none moves more than
// [Most] bytes. On systems other than Linux the calls do go through the scheduler; for a connection
// that has no socket, Of returns nil.
package rawsock

// Most is how many bytes one call moves at most. Copying them takes some
// microseconds.
const Most = 64 << 10
