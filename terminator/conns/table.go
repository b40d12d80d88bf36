package conns

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/terminator/forwarded"
)

// Table knows all open connections of a front, and looks at each of them once a tick. That takes
// the place of a deadline set on the socket for each request and each response, which costs a lock
// and a timer of the runtime each time: about 200 ns a request.
//
// It runs one goroutine, the sweep, from New until Close.
type Table struct {
	// Intake is when connections are accepted.
	Intake *Intake

	opt   Options
	stats stats

	open      atomic.Int64
	lingering atomic.Int64

	// The clock counts milliseconds and moves once a tick, by no more than two ticks: on a machine
	// so busy that the sweep itself comes late, timeouts come late too and don't hit clients that
	// were in time. It begins with as many as a connection may have been idle for when it is
	// inherited.
	clock    atomic.Int64
	tick     time.Duration
	tooMany  int64                // the sweep's: see crowd
	slack    int64                // ms by which a time on the clock may lag
	limits   [phases]atomic.Int64 // ms; 0 for none, and for Idle while draining: at once
	draining atomic.Bool
	ended    atomic.Bool

	roster roster

	// The sweep hardly ever looks while there are no connections: see rest.
	asleep  atomic.Bool
	ticking sync.Mutex    // held while Options.Tick runs
	wake    chan struct{} // has room for one: sent to by whoever clears asleep

	once    sync.Once
	closing chan struct{}
	swept   chan struct{}
}

// New makes a table and starts its sweep.
func New(opt Options) *Table {
	t := &Table{opt: opt, stats: newStats(opt.Metrics), closing: make(chan struct{}), swept: make(chan struct{}), wake: make(chan struct{}, 1)}
	t.Intake = newIntake(&opt, t.closing)
	t.clock.Store(opt.IdleTimeout.Milliseconds())
	shortest := min(opt.IdleTimeout, opt.HeadTimeout, opt.BodyTimeout, opt.WriteTimeout)
	t.tick = min(max(shortest/4, 5*time.Millisecond), 200*time.Millisecond)
	t.slack = (2 * t.tick).Milliseconds()
	for p, d := range map[Phase]time.Duration{
		Idle: opt.IdleTimeout, Head: opt.HeadTimeout, Body: opt.BodyTimeout, Lingering: LingerSilence,
	} {
		t.limits[p].Store(max(d.Milliseconds(), 1))
	}
	go t.sweep()
	return t
}

// Close ends the sweep and lets the connections be. Idempotent; it returns when the sweep has
// ended.
func (t *Table) Close() {
	t.once.Do(func() { close(t.closing) })
	<-t.swept
}

// Closing is closed when the table is.
func (t *Table) Closing() <-chan struct{} { return t.closing }

// Admit reports whether there is room for one more connection, and counts it if so: it must be
// added.
func (t *Table) Admit() bool {
	if t.open.Add(1) > int64(t.opt.Max) {
		t.open.Add(-1)
		t.stats.refused.Inc()
		return false
	}
	t.stats.accepted.Inc()
	t.rouse()
	return true
}

// Forgone counts an admitted connection that could not be set up.
func (t *Table) Forgone() { t.stats.acceptErrors.Inc() }

// Add puts an admitted connection on the table, idle.
func (t *Table) Add(c *Conn, h Holder, ip netip.Addr) {
	c.table = t
	c.Peer = forwarded.NewPeer(ip, t.opt.Trusted)
	c.Enter(Idle)
	t.roster.add(c, h)
}

// Inherit admits a connection that another process has served, and adds it. It has been idle for so
// long. False: there is no room.
func (t *Table) Inherit(c *Conn, h Holder, ip netip.Addr, idle time.Duration) bool {
	if t.open.Add(1) > int64(t.opt.Max) || t.ended.Load() {
		t.open.Add(-1)
		return false
	}
	t.stats.inherited.Inc()
	t.rouse()
	c.table = t
	c.Peer = forwarded.NewPeer(ip, t.opt.Trusted)
	c.EnterSince(Idle, t.Now()-min(max(idle, 0), t.opt.IdleTimeout).Milliseconds())
	t.roster.add(c, h)
	return true
}

// Pass has h hold the connection from now on.
func (t *Table) Pass(c *Conn, h Holder) {
	t.roster.pass(c, h)
	if t.ended.Load() { // AbortAll may not have seen h
		c.abort(h, DrainTimeout)
	}
}

// NotPassed takes a connection off the table that could not pass to another driver, and was closed.
func (t *Table) NotPassed(c *Conn) {
	t.stats.handOver.Inc()
	c.Leave()
}

// Open is how many connections there are.
func (t *Table) Open() int64 { return t.open.Load() }

// Counts returns how many connections wait for a request, and how many have one under way.
func (t *Table) Counts() (idle, active int) {
	t.roster.each(func(_ *Conn, h Holder) {
		if h.Busy() {
			active++
		} else {
			idle++
		}
	})
	return idle, active
}

// Idled counts a connection that is closed for being idle.
func (t *Table) Idled() { t.stats.idleClosed.Inc() }

// streamGrace is for how long a response that streams may be quiet while draining. One that isn't
// may go on.
const streamGrace = 2 * time.Second

// StartDrain has connections closed from now on once they have been idle for grace, with which the
// client that sends its next request just now still gets an answer. Responses should say
// Connection: close from here on.
func (t *Table) StartDrain(grace time.Duration) {
	t.HurryOn(grace)
	idle := &t.limits[Idle]
	idle.Store(min(max(grace.Milliseconds(), 0), idle.Load()))
	t.draining.Store(true)
}

// HurryOn bounds what would keep an end waiting, as StartDrain does, and lets idle connections be:
// a successor inherits them.
func (t *Table) HurryOn(grace time.Duration) {
	t.Intake.end()
	lingering := &t.limits[Lingering]
	lingering.Store(min(max(grace.Milliseconds(), 0), lingering.Load()))
	t.limits[Streaming].Store(streamGrace.Milliseconds())
}

// Announce is StartDrain without closing anything yet.
func (t *Table) Announce() { t.draining.Store(true) }

// Draining reports whether Announce or StartDrain has been called.
func (t *Table) Draining() bool { return t.draining.Load() }

// AbortAll closes all connections, whatever they are about, and returns how many. It is the end of
// the table: what passes to another driver afterwards is closed, too.
func (t *Table) AbortAll() (n int) {
	t.ended.Store(true)
	t.roster.each(func(c *Conn, h Holder) {
		c.abort(h, DrainTimeout)
		n++
	})
	return n
}

// Now is the table's clock, in ms.
func (t *Table) Now() int64 { return t.clock.Load() }

// Over reports whether a phase that began at since has lasted too long. The slack makes up for how
// far since may be behind, so that no timeout comes early.
func (t *Table) Over(p Phase, since int64) bool {
	limit := t.limits[p].Load()
	if limit == 0 && (p != Idle || !t.Draining()) {
		return false
	}
	return t.Now()-since > limit+t.slack
}

// crowd is how many of open connections are beyond seven eighths of those that there may be. So
// many that nobody uses are to make room.
func crowd(open, most int64) int64 { return open - (most - most/8) }
