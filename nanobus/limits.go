package nanobus

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"nanofront/nanobus/wire"
)

const (
	// maxChores bounds what a peer may have us do in a second besides
	// requests: an honest one needs a few pings.
	maxChores = 4096

	// maxGreeting bounds the accepted links that have not introduced
	// themselves.
	maxGreeting = 256

	// maxSame bounds the accepted links of one process. One is
	// what there should be; more are there for a while when a process
	// reconnects faster than its half-open links are found out.
	maxSame = 16

	// windowGrace is for how long after a window has shrunk requests are taken
	// that the old one allowed: they were on their way.
	windowGrace = 2 * time.Second

	// maxLinkEvents bounds one link's events in the queue, so that one peer
	// can't fill it (eventQueue) for all.
	maxLinkEvents = 512

	// eventUnit is how many bytes of payload count for an event of their own
	// against maxLinkEvents and eventQueue: 32 MiB wait at most.
	eventUnit = 32 << 10
)

// errFlood: a peer that makes more work than it may.
var errFlood = errors.New("nanobus: flood")

// chores is what frames count for against maxChores. A hello may change which
// links are chosen from, under the lock of the bus. Others are bounded by
// themselves (requests by the window, cancels by the requests, events by their
// queue) or cost next to nothing.
var chores = [256]int32{wire.KindHello: 64, wire.KindPing: 1, wire.KindPong: 1, wire.KindDraining: 1, wire.KindProof: 64}

// chore notes work that a peer has made.
func (l *Link) chore(cost int32) error {
	if l.chores.Add(cost) > maxChores {
		return fmt.Errorf("%w: more than %d pings, or %d hellos, in a second", errFlood, maxChores, maxChores/chores[wire.KindHello])
	}
	return nil
}

// room reports whether one more connection may become a link, and sees to it
// if it can. Each instance that we dial has its place kept. Among accepted
// links those that have not introduced themselves go first, the oldest before
// the others. mu is held.
func (b *Bus) room(in *instance) bool {
	var accepted, greeting, dialled int
	var oldest *Link
	for l := range b.links {
		switch {
		case l.instance != nil:
			dialled++
		case !l.stateIs(linkGreeting):
			accepted++
		default:
			accepted++
			greeting++
			if l.closeReason.Load() == nil && (oldest == nil || l.attached < oldest.attached) {
				oldest = l
			}
		}
	}
	if in != nil {
		return dialled < b.opts.MaxLinks
	}
	most := max(b.opts.MaxLinks-len(b.instances), 1)
	if accepted < most && greeting < maxGreeting {
		return true
	}
	// What was told to go may not have gone yet; but that is no way to have
	// any number.
	if oldest == nil || accepted >= most+maxGreeting {
		return false
	}
	oldest.close("crowded")
	return true
}

// same counts the accepted links of the peer behind l. A process is known by
// what it has drawn at its start, since two may have been given one name; one
// that says nothing of the kind, by its name. mu is held.
func (b *Bus) same(l *Link) int {
	h := l.hello.Load()
	if l.instance != nil || h == nil || h.Instance == "" {
		return 0
	}
	n := 0
	for k := range b.links {
		if k.instance != nil || k.stateIs(linkDown) {
			continue
		}
		if o := k.hello.Load(); o != nil && o.Service == h.Service && o.Instance == h.Instance && bytes.Equal(o.Process, h.Process) {
			n++
		}
	}
	return n
}

// grant sets the window of the peer, and remembers the one it may still
// believe in. Called with link.mu held.
func (l *Link) grant(window int, now int64) {
	if window < l.granted {
		if now-l.shrunkAt > int64(windowGrace) {
			l.formerly = 0
		}
		l.formerly = max(l.formerly, l.granted)
		l.shrunkAt = now
	}
	l.granted = window
}

// overrun reports, for what no window bounds, that the peer makes us say more
// than it reads: at this many bytes gathered its link is closed. Called with
// link.mu held.
func (l *Link) overrun(gathered int) bool {
	if gathered <= 2*maxGathered {
		return false
	}
	l.close("overrun")
	return true
}

// limit is how many requests of the peer are held at once. Called with
// link.mu held.
func (l *Link) limit(now int64) int {
	if l.bus.opts.Serve == nil {
		return l.bus.opts.Window // each is answered at once: there is no handler
	}
	if l.formerly > l.granted && now-l.shrunkAt <= int64(windowGrace) {
		return l.formerly
	}
	return l.granted
}
