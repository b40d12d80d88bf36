// Package tasks gives goroutines an owner that waits for them, where they are
// started at any time, by anybody.
package tasks

import "sync"

// Group is goroutines that somebody waits for, or other things that end. Unlike
// with a sync.WaitGroup, they may be begun while, and after, that somebody waits.
// The zero Group is ready for use.
type Group struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0 again; nil: nobody waits
}

// Go runs f on a goroutine of the group.
func (g *Group) Go(f func()) {
	g.Add()
	go func() {
		defer g.Done()
		f()
	}()
}

// Add adds something that ends with Done.
func (g *Group) Add() {
	g.mu.Lock()
	g.n++
	g.mu.Unlock()
}

// Done ends what Add has added.
func (g *Group) Done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// Wait returns at a moment when nothing of the group is at work.
func (g *Group) Wait() {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	<-idle
}
