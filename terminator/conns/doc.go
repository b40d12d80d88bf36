// Package conns is the table of a front's client connections: everything that a connection has beside its
// bytes, whichever driver reads and writes those. It bounds how many there are, waits out shortages while
// accepting, ends those that take too long, notices clients that have gone or that don't take their
// responses, and counts.
//
// A driver embeds a [Conn] in its own type, adds it with [Table.Add], and says with [Conn.Enter] what the
// connection waits for. A connection may pass from one driver to another ([Table.Pass]) without leaving
// the table. What the table wants of a connection it asks of the driver, through [Holder], from the one
// goroutine that sweeps and without a lock; a driver must expect to be asked about a connection that it
// has closed or passed on just now.
package conns
