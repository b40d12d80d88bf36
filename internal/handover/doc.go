// Package handover passes the listening sockets of a running process to the
// one that is to take its place, so that no connection is lost in between: the
// socket stays open all the time, with all that waits in its accept queue.
// Connections that are open can pass, too.
//
// Both meet at a Unix socket. The running process offers:
//
//	offer, err := handover.Serve(path, map[string]*net.TCPListener{"http": h, "admin": a})
//	select {
//	case <-offer.Taken(): // a successor serves: drain and exit
//	case <-ctx.Done():
//	}
//	offer.Close()
//
// The new one takes, and says so when it is ready to serve:
//
//	heir, err := handover.Take(ctx, path)
//	if errors.Is(err, handover.ErrNobody) { … listen afresh … }
//	… serve on heir.Listener("http") …
//	err = heir.Ready(take)
//
// Listeners go by their names. The exchange begins with one message that passes the two listeners
// that older builds know by position; a newer build then asks for the names, and gets all
// listeners. So builds of both kinds take over from each other, and listeners that the older one
// doesn't know aren't passed.
//
// Connections go through a [Passage], which the successor makes if it wants them: descriptors with
// a note, whose meaning is the owners' affair. A build that doesn't know of it neither makes one
// nor uses it.
//
// If the successor dies before Ready, nothing has happened.
package handover
