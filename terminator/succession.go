package terminator

import (
	"sync"
	"time"
)

// Inherits reports whether connections that a predecessor passes can be taken over: those on event
// loops can.
func (t *Terminator) Inherits() bool { return t.loops != nil }

// Inherit takes over connections that a predecessor has passed with a note on them. It returns how
// many, from the first on; the others are still the caller's. It is for a terminator that Inherits.
func (t *Terminator) Inherit(fds []int, note []byte) (taken int) { return t.loops.Inherit(fds, note) }

// Accept has a terminator accept connections that Waits. Idempotent.
func (t *Terminator) Accept() { t.accepts.Do(func() { close(t.accept) }) }

// Heir is a successor that takes connections.
type Heir interface {
	// Pass passes descriptors on, with a note on them, and returns how many, from the first on, the
	// successor has taken; -1 if it isn't known. They stay open here.
	Pass(fds []int, note []byte) (taken int, err error)
	// Close is called when all has passed.
	Close() error
}

// Bequeath has Run, when it ends with ErrSucceeded, pass the connections of clients to the
// successor, each when it is idle, in place of closing them. It is for a terminator that Inherits.
func (t *Terminator) Bequeath(to Heir) { t.heir.Store(&to) }

// bequeath is drain with a successor that takes connections. It has the listening socket, too, and
// accepts what waits there.
func (t *Terminator) bequeath(to Heir, served <-chan error, serving bool, passing *sync.WaitGroup) {
	deadline := t.beginEnd()
	t.table.HurryOn(idleGrace)
	t.stopAccepting(time.Now(), served, serving)
	passing.Go(func() {
		if err := t.loops.Bequeath(to.Pass); err != nil {
			t.log.Warn().Err(err).Msg("connections are closed that the successor doesn't take")
			t.table.StartDrain(idleGrace)
		}
	})
	last := time.AfterFunc(t.opts.DrainTimeout/2, t.table.Announce) // clients that are never idle are told to close
	defer last.Stop()
	t.awaitEnd(deadline)
}
