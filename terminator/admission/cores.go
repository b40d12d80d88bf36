package admission

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Cores tells whether the processor is the scarce resource, for this front and for others as well:
// handlers, or clients, on the same machine. There, to refuse takes from the same as to answer
// does, here and at who asks. The more is refused the less is answered, and the wait, for a turn on
// a core, gets no shorter.
//
// It is looked at only in windows in which it matters, as each thread's times are read for it.
type Cores struct {
	asked, short atomic.Bool

	// Of the goroutine that adapts the gates:
	read        func() (ran, waited time.Duration, ok bool) // by all threads of this process, since it began; or nil
	at          time.Duration                               // of the last look
	ran, waited time.Duration                               // at that
	known       bool                                        // those are
	until       time.Duration                               // they are held to be short
}

const (
	// coresFor is for how long they are held to be short after a look that has found so.
	coresFor = 20 * window
	// coresPart is the part of all that they can do that this front has to use for its refusals to
	// matter: a fifth.
	coresPart = 5
)

// Ask has them looked at at the end of the window, and reports whether they are short as far as is
// known.
func (c *Cores) Ask() (short bool) {
	if c == nil {
		return false
	}
	c.asked.Store(true)
	return c.short.Load()
}

// look learns whether they are: our threads wait for one for as long as they run, or longer.
func (c *Cores) look(now time.Duration) {
	if c.read != nil && c.asked.Swap(false) {
		ran, waited, ok := c.read()
		lasted, r, w := now-c.at, ran-c.ran, waited-c.waited
		if ok && c.known && lasted <= late && w >= r && coresPart*r >= lasted*time.Duration(runtime.GOMAXPROCS(0)) {
			c.until = now + coresFor
		}
		c.at, c.ran, c.waited, c.known = now, ran, waited, ok
	}
	c.short.Store(now < c.until)
}
