// Package conns is the table of a front's client connections: everything about a connection except
// its bytes, for every driver. It limits how many there are, waits out shortages while accepting,
// ends those that take too long, notices clients that have gone or don't read their responses, and
// counts.
//
// A driver embeds a [Conn] in its own type, adds it with [Table.Add], and says with [Conn.Enter]
// what the connection waits for. A connection may pass from one driver to another ([Table.Pass])
// without leaving the table. The table asks the driver about a connection through [Holder], from
// the sweeping goroutine and without a lock; a driver must expect questions about a connection that
// it has just closed or passed on.
package conns
