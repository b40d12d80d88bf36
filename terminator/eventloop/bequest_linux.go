package eventloop

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nanofront/terminator/conns"
)

// Connections pass to a successor when they are idle: nothing was read that isn't answered, and
// nothing is to be written. What the client sends meanwhile stays in the socket, and the successor
// reads it there. Many pass at once, with a note that says of what kind they are, how long what it
// says of each is, and that:
//
//	kind 1 byte, length 1 byte, for each connection: idle for so many ms 4 bytes, and what later builds add

const (
	// kindPlain is a connection with plaintext HTTP/1.1. Others, such as those with TLS, have
	// another kind.
	kindPlain = 1

	// recordSize is what a note says of each connection.
	recordSize = 4

	// passMost is how many connections pass at once.
	passMost = 64
)

// bequest is the connections that are to pass, each owned by whoever passes it.
type bequest struct {
	some chan struct{} // has room for one

	mu   sync.Mutex
	open bool // they are passed
	list []*conn
}

// add leaves an idle connection, which the caller owns, to whoever passes it.
func (b *bequest) add(c *conn) {
	b.mu.Lock()
	open := b.open
	if open {
		b.list = append(b.list, c)
	}
	b.mu.Unlock()
	if open {
		b.wake()
	} else {
		c.resume()
	}
}

func (b *bequest) wake() {
	select {
	case b.some <- struct{}{}:
	default:
	}
}

// take takes up to n.
func (b *bequest) take(n int) []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, len(b.list))
	taken := b.list[:n:n]
	b.list = b.list[n:]
	return taken
}

func (b *bequest) setOpen(open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = open
}

// errFull: the successor takes no more.
var errFull = errors.New("the successor has no room for more")

// Bequeath passes the connections on, each when it is idle, until Stop. It returns why when the
// successor takes no more: those that are left are served on. pass passes descriptors with a note,
// and returns how many, from the first on, the successor has taken, or -1 if it may have all or
// none of them.
func (ls *Loops) Bequeath(pass func(fds []int, note []byte) (taken int, err error)) error {
	b := &ls.bequest
	b.setOpen(true)
	var err error
	if ls.mode.CompareAndSwap(serving, passing) {
		var all []*conn
		ls.each(func(c *conn) { all = append(all, c) })
		for err == nil && !ls.stop() {
			list := b.take(passMost) // those first that were in use just now
			for len(list) < passMost && len(all) > 0 {
				if c := all[0]; c.state.CompareAndSwap(stateIdle, stateBusy) {
					list = append(list, c)
				}
				all = all[1:]
			}
			if len(list) == 0 {
				<-b.some
				continue
			}
			err = ls.pass(list, pass)
		}
		ls.mode.CompareAndSwap(passing, serving)
	}
	b.setOpen(false)
	for _, c := range b.take(int(^uint(0) >> 1)) {
		c.resume()
	}
	return err
}

// pass passes connections, which the caller owns.
func (ls *Loops) pass(list []*conn, pass func(fds []int, note []byte) (taken int, err error)) error {
	fds := make([]int, 0, len(list))
	note := append(make([]byte, 0, 2+len(list)*recordSize), kindPlain, recordSize)
	now := ls.Table.Now()
	passed := list[:0]
	for _, c := range list {
		if c.ended || c.hungUp.Load() || c.closing.Load() {
			c.resume()
			continue
		}
		c.loop.unwatch(c)
		_, since := c.Phase()
		fds = append(fds, c.socket())
		note = binary.BigEndian.AppendUint32(note, uint32(max(now-since, 0)))
		passed = append(passed, c)
	}
	if len(fds) == 0 {
		return nil
	}
	taken, err := pass(fds, note)
	for i, c := range passed {
		if i < taken || taken < 0 {
			c.state.Store(stateGone)
			_ = unix.Close(c.socket()) // it isn't the last descriptor of the socket
			c.Bequeathed()
			continue
		}
		if err == nil {
			err = errFull
		}
		c.watchAgain()
	}
	return err
}

// resume has a connection served on that is still watched. The caller owns it, and doesn't
// afterwards.
func (c *conn) resume() {
	if c.closing.Load() {
		c.close()
		return
	}
	if !c.release() {
		c.serveLater(serveMost)
	}
}

// watchAgain is resume for one that isn't watched.
func (c *conn) watchAgain() {
	if err := c.loop.add(c); err != nil {
		c.state.Store(stateGone)
		c.loop.all.Table.NotPassed(&c.Conn)
		_ = unix.Close(c.socket())
		return
	}
	c.resume()
}

// Inherit takes over connections that a predecessor passes, with its note, and returns how many,
// from the first on. The others are still the caller's.
func (ls *Loops) Inherit(fds []int, note []byte) (taken int) {
	if len(note) < 2 || note[0] != kindPlain || note[1] < recordSize || ls.Table.Draining() || ls.stop() {
		return 0
	}
	size := int(note[1])
	records := note[2:]
	for i, fd := range fds {
		if len(records) < size {
			return i
		}
		idle := time.Duration(binary.BigEndian.Uint32(records)) * time.Millisecond
		records = records[size:]
		if !ls.inherit(fd, idle) {
			return i
		}
	}
	return len(fds)
}

// inherit returns false if there is no room for a connection.
func (ls *Loops) inherit(fd int, idle time.Duration) bool {
	from, err := unix.Getpeername(fd)
	if err != nil { // the client has gone
		_ = unix.Close(fd)
		return true
	}
	c := &conn{loop: ls.choose()}
	c.fd.Store(int32(fd))
	c.scanner.Init(ls.Limits)
	if !ls.Table.Inherit(&c.Conn, c, addrOf(from), idle) {
		return false
	}
	if n := conns.Outstanding(fd); n > 0 {
		c.Wrote(n, true) // by the predecessor
	}
	if err := c.loop.add(c); err != nil {
		c.state.Store(stateGone)
		ls.Table.NotPassed(&c.Conn)
		return false
	}
	if mode := ls.mode.Load(); mode != serving {
		c.leave(mode)
	}
	return true
}
