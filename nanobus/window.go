package nanobus

import "nanofront/nanobus/wire"

// share divides the window among the links whose peers send requests, and
// tells those whose part has changed. mu is held.
func (b *Bus) share() {
	if b.opts.Serve == nil {
		return
	}
	part := b.part(b.callers())
	now := b.now()
	for l := range b.links {
		l.mu.Lock()
		if !l.calls() || l.granted == part {
			l.mu.Unlock()
			continue
		}
		l.grant(part, now)
		l.mu.Unlock()
		l.control(wire.KindCredit, 0, 0, byte(part>>24), byte(part>>16), byte(part>>8), byte(part)) // four bytes of a window
	}
}

// callers counts the links whose peers send requests. mu is held.
func (b *Bus) callers() int {
	n := 0
	for l := range b.links {
		if l.calls() {
			n++
		}
	}
	return n
}

// part is the window of each of so many links.
func (b *Bus) part(callers int) int {
	return max(b.opts.Window/max(callers, 1), min(minShare, b.opts.Window))
}

// calls reports whether requests are to be expected on the link. A link that
// we dialled carries ours; its peer would dial us to send its own. One that has
// not introduced itself takes nothing from the others: its part is told in our
// hello, and theirs shrink when it is known.
func (l *Link) calls() bool {
	if l.instance != nil {
		return false
	}
	h := l.hello.Load()
	return h != nil && !h.EventsOnly
}
