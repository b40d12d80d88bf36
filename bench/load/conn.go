package load

import "nanofront/internal/rawhttp"

// connState is what a connection is doing.
type connState uint8

const (
	closed connState = iota
	connecting
	open
)

// conn is a connection of a worker, open or not. Requests are given to it in
// either state; one that is not open is opened for them.
type conn struct {
	i     int
	state connState
	// available: it is in the worker's queue of those with room.
	available bool
	// dirty: there are requests in out that were not tried to be written yet.
	dirty bool

	// slots is a ring of the requests under way, count of them from first on.
	slots        []slot
	first, count int

	out   []byte // not yet written: a part of buf, or of a fixed request
	buf   []byte
	later []byte // body that waits for 100 (Continue), a part of buf or of a fixed request

	since    int64 // when connecting or waiting for 100 began
	retry    int64 // closed loop: not to be opened before
	failures int   // in a row, of connecting
	idled    bool  // the server closed it with no request on it

	parser rawhttp.Parser
	match  matcher // of the body that the oldest request expects
	sink   func([]byte)
}

// slot is a request under way.
type slot struct {
	planned int64 // ns
	sent    int64 // ns
	entry   int
}

// expect makes the connection ready for the response to a request.
func (c *conn) expect(e *entry) {
	c.parser.Reset(e.head)
	c.match.reset(e.expect.contains)
	c.parser.Body = nil
	if !c.match.found {
		if c.sink == nil {
			c.sink = c.match.feed
		}
		c.parser.Body = c.sink
	}
}

func (c *conn) room() bool { return c.count < len(c.slots) }

// push adds a request under way.
func (c *conn) push(s slot) {
	i := c.first + c.count
	if i >= len(c.slots) {
		i -= len(c.slots)
	}
	c.slots[i] = s
	c.count++
}

// pop removes the oldest.
func (c *conn) pop() slot {
	s := c.slots[c.first]
	if c.first++; c.first == len(c.slots) {
		c.first = 0
	}
	c.count--
	return s
}

func (c *conn) oldest() *slot { return &c.slots[c.first] }

// queue is a first-in-first-out queue of a worker's connections, each in it
// once at most.
type queue struct {
	ring        []*conn
	first, size int
}

func newQueue(n int) *queue { return &queue{ring: make([]*conn, n)} }

func (q *queue) push(c *conn) {
	if c.available {
		return
	}
	c.available = true
	i := q.first + q.size
	if i >= len(q.ring) {
		i -= len(q.ring)
	}
	q.ring[i] = c
	q.size++
}

// pop returns the connection that has waited longest, or nil.
func (q *queue) pop() *conn {
	if q.size == 0 {
		return nil
	}
	c := q.ring[q.first]
	if q.first++; q.first == len(q.ring) {
		q.first = 0
	}
	q.size--
	c.available = false
	return c
}
