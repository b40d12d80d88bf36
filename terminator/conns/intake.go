package conns

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"nanofront/metrics"
)

// Intake says when connections are accepted. Those that have to wait do so in the backlog of the
// listening socket, whose length the system bounds: there they cost the front nothing.
//
// While memory is short they wait, but for a few, so that a front that judges wrongly isn't dead,
// and a check of its health gets through. While the event loops are late they wait for the next
// look that isn't: what is accepted is as much as the loops keep up with.
type Intake struct {
	short   func(paused bool) bool
	late    func() bool
	told    func(paused bool)
	memory  *metrics.Counter
	lag     *metrics.Counter
	errors  *metrics.Counter
	closing <-chan struct{}

	ended atomic.Bool // no pauses any more
	over  atomic.Pointer[chan struct{}]
	mu    sync.Mutex // held while over changes: closed when the pause is over; nil: there is none
}

const (
	// pauseTick is how long those wait that are accepted while memory is short, and pauseTakes how
	// many that are then.
	pauseTick  = time.Second
	pauseTakes = 16

	// pauseCloses is which part of all connections is closed at each look while memory is short, if
	// they have been idle for crowdedIdle.
	pauseCloses = 16

	// lateTick is how often it is looked whether the loops are still late, and lateMost how long
	// connections wait for them.
	lateTick = 2 * time.Millisecond
	lateMost = 100 * time.Millisecond
)

func newIntake(o *Options, closing <-chan struct{}) *Intake {
	return &Intake{
		short: o.Short, late: o.Late, told: o.Paused, closing: closing,
		memory: o.Metrics.Counter(metrics.HTTPPaused, "memory"), lag: o.Metrics.Counter(metrics.HTTPPaused, "lag"),
		errors: o.Metrics.Counter(metrics.HTTPClosed, "accept_error"),
	}
}

// Waits reports whether connections are to wait.
func (i *Intake) Waits() bool { return i.over.Load() != nil || i.isLate() }

func (i *Intake) isLate() bool { return i.late != nil && i.late() && !i.ended.Load() }

// Await is to be called before connections are accepted. It waits while they are to wait, though
// not for long, and returns how many may be accepted then: at most n.
func (i *Intake) Await(n int) int {
	if over := i.over.Load(); over != nil {
		if !i.wait(*over, pauseTick) {
			n = min(n, pauseTakes)
		}
	}
	if i.isLate() {
		i.lag.Inc()
		for waited := time.Duration(0); waited < lateMost && i.isLate() && !i.wait(nil, lateTick); {
			waited += lateTick
		}
	}
	return n
}

// wait returns false when the time is over.
func (i *Intake) wait(over <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-i.closing:
		return true
	case <-timer.C:
		return false
	}
}

// look asks whether memory is short, and returns how many of so many open connections are to make
// room.
func (i *Intake) look(open int64) (closes int64) {
	if i.short == nil || i.ended.Load() {
		return 0
	}
	short := i.short(i.over.Load() != nil)
	i.pause(short)
	if !short {
		return 0
	}
	return open/pauseCloses + 1
}

func (i *Intake) pause(paused bool) {
	i.mu.Lock()
	over := i.over.Load()
	if paused == (over != nil) {
		i.mu.Unlock()
		return
	}
	if paused {
		i.memory.Inc()
		c := make(chan struct{})
		i.over.Store(&c)
	} else {
		i.over.Store(nil)
		close(*over)
	}
	i.mu.Unlock()
	if i.told != nil {
		i.told(paused)
	}
}

// end ends all pauses: the front accepts whatever waits, and ends.
func (i *Intake) end() {
	i.ended.Store(true)
	i.pause(false)
}

// Shortage waits after an error of accepting that may pass (descriptors, memory), longer each time
// that it is called with the same delay. False: the error is another, or the table was closed.
func (i *Intake) Shortage(err error, delay *time.Duration) bool {
	passes := false
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
	} {
		passes = passes || errors.Is(err, e)
	}
	if !passes {
		return false
	}
	i.errors.Inc()
	*delay = min(max(2**delay, 5*time.Millisecond), time.Second)
	timer := time.NewTimer(*delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-i.closing:
		return false
	}
}
