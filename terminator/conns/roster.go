package conns

import (
	"sync"
	"sync/atomic"
)

// roster is all connections of a table, each with its holder. It is in shards, so that connections
// that open and close on different cores keep off each other's locks.
type roster struct {
	next   atomic.Uint32
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	conns []*Conn
	_     [64]byte // a cache line of its own
}

func (r *roster) add(c *Conn, h Holder) {
	c.holder = h
	c.shard = &r.shards[r.next.Add(1)%shards]
	c.shard.mu.Lock()
	c.index = len(c.shard.conns)
	c.shard.conns = append(c.shard.conns, c)
	c.shard.mu.Unlock()
}

// pass has h hold c.
func (r *roster) pass(c *Conn, h Holder) {
	c.shard.mu.Lock()
	c.holder = h
	c.shard.mu.Unlock()
}

// remove reports whether c was there.
func (r *roster) remove(c *Conn) bool {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.index < 0 {
		return false
	}
	last := len(s.conns) - 1
	moved := s.conns[last]
	s.conns[c.index], moved.index = moved, c.index
	s.conns[last] = nil
	s.conns = s.conns[:last]
	c.index, c.holder = -1, nil
	return true
}

// held is a connection and who held it when the sweep came by.
type held struct {
	*Conn
	by Holder
}

// each calls f for all connections, without a lock: a Holder may take its time, and may close the
// connection.
func (r *roster) each(f func(*Conn, Holder)) {
	var list []held
	for i := range r.shards {
		list = r.shards[i].appendTo(list[:0])
		for _, c := range list {
			f(c.Conn, c.by)
		}
	}
}

func (s *shard) appendTo(list []held) []held {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		list = append(list, held{c, c.holder})
	}
	return list
}
