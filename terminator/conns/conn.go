package conns

import (
	"sync/atomic"

	"nanofront/terminator/forwarded"
)

// Holder is the driver's side of a connection. Its methods are called by the table's sweep, on a
// goroutine that isn't the connection's own, and must not block.
type Holder interface {
	// Busy reports whether a request is under way, from its first byte until its response is
	// written.
	Busy() bool
	// Overdue ends what has been in a phase since then, for longer than the timeout allows. The
	// phase may have passed meanwhile.
	Overdue(p Phase, since int64)
	// Gone reports whether the client has closed or reset the connection, as far as that shows
	// without waiting. It says false while there is something to read.
	Gone() bool
	// Abandon ends what is under way for a client that has gone. call is as in Conn.Call.
	Abandon(call uint64)
	// Outstanding is how many bytes the client hasn't acknowledged; -1 if the system doesn't tell.
	Outstanding() int
	// Abort closes the connection at once, whatever it is about. Conn.Aborted says why.
	Abort()
}

// Reason is why a connection is aborted.
type Reason uint8

const (
	NotAborted   Reason = iota
	NoMemory            // the front holds as much for its clients as it may
	WriteTimeout        // the client doesn't take its response
	DrainTimeout        // the front ends, and it was not done in time
)

// Aborted is why the connection was aborted. Anybody may call it.
func (c *Conn) Aborted() Reason { return Reason(c.aborted.Load()) }

// OutOfMemory notes that the connection, which the caller owns and ends, is one too many to hold
// memory for.
func (c *Conn) OutOfMemory() {
	c.aborted.CompareAndSwap(0, uint32(NoMemory))
	c.table.stats.noMemory.Inc()
}

func (c *Conn) abort(h Holder, why Reason) {
	c.aborted.CompareAndSwap(0, uint32(why))
	h.Abort()
}

// Conn is what the table knows of a connection. The driver that holds the connection owns it; what
// is exported may be called by the owner, and by others where that is said.
type Conn struct {
	// Peer is who is at the other end.
	Peer forwarded.Peer

	// Call is the correlation id of the request that waits for its answer, or whose answer streams;
	// 0: none. Anybody may read it.
	Call atomic.Uint64

	table *Table
	state atomic.Uint64 // pack of phase and beginning

	// What has been written, in bytes, and whether the sweep is to look what the client takes of
	// it.
	wrote atomic.Uint64
	owing atomic.Bool

	aborted   atomic.Uint32 // Reason
	dismissed atomic.Int64  // one more than when it became idle, if it is to make room

	lingers bool // counted in table.lingering

	// Guarded by the shard's lock.
	holder Holder
	shard  *shard
	index  int

	// The sweep's:
	watched      uint64 // Call at the last look
	watchedWrote uint64 // wrote at that
	quiet        int    // looks since then
	acked        uint64 // of wrote, at the last progress
	ackedAt      int64  // when that was; 0: owes nothing
}

// Enter says that a phase begins now.
func (c *Conn) Enter(p Phase) { c.state.Store(pack(p, c.table.Now())) }

// EnterSince says that a phase holds that began at since, on the table's clock.
func (c *Conn) EnterSince(p Phase, since int64) { c.state.Store(pack(p, since)) }

// Phase returns the phase and when it began. Anybody may call it.
func (c *Conn) Phase() (Phase, int64) { return unpack(c.state.Load()) }

// owingFrom is from how many bytes on a response is looked after until the client has acknowledged
// it. A smaller one that the client doesn't take ends with the idle timeout.
const owingFrom = 16 << 10

// Wrote notes that the system has taken n more bytes of a response, and whether there are more to
// come. The client has the write timeout for acknowledging each AckPiece of it, or all.
func (c *Conn) Wrote(n int, more bool) {
	c.wrote.Add(uint64(n))
	if (more || n >= owingFrom) && !c.owing.Load() {
		c.owing.Store(true)
	}
}

// Overstays reports whether a phase of the connection that began at since has lasted too long, or
// has to end for others.
func (c *Conn) Overstays(p Phase, since int64) bool {
	return c.table.Over(p, since) || p == Idle && c.dismissed.Load() == since+1
}

// Leave takes the connection off the table: it is closed. Idempotent.
func (c *Conn) Leave() {
	t := c.table
	if !t.roster.remove(c) {
		return
	}
	if c.lingers {
		t.lingering.Add(-1)
	}
	t.open.Add(-1)
}

// Bequeathed takes the connection off the table that another process has inherited.
func (c *Conn) Bequeathed() {
	c.table.stats.bequeathed.Inc()
	c.Leave()
}

// Linger asks for the right to linger: to read what the client still sends, and drop it, until it
// closes its side. False: too many connections do already, and this one is to be closed at once.
func (c *Conn) Linger() bool {
	if c.lingers {
		return true
	}
	if c.table.lingering.Add(1) > maxLingering {
		c.table.lingering.Add(-1)
		c.table.stats.lingerFull.Inc()
		return false
	}
	c.lingers = true
	c.Enter(Lingering)
	return true
}
