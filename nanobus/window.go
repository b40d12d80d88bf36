package nanobus

// share divides the window among the links whose peers send requests, and
// tells those whose part has changed. mu is held.
func (b *Bus) share() {
	if b.opts.Serve == nil {
		return
	}
	callers := 0
	for l := range b.links {
		if l.calls() {
			callers++
		}
	}
	part := b.opts.Window / max(callers, 1)
	part = max(part, min(minShare, b.opts.Window))
	for l := range b.links {
		l.mu.Lock()
		if !l.calls() || l.granted == part {
			l.mu.Unlock()
			continue
		}
		first := l.granted == 0
		l.granted = part
		l.mu.Unlock()
		if !first {
			l.control(kindCredit, 0, 0, byte(part>>24), byte(part>>16), byte(part>>8), byte(part)) //nolint:gosec // four bytes of a window
		}
	}
}

// calls reports whether requests are to be expected on the link. A link that
// we dialled carries ours; its peer would dial us to send its own.
func (l *Link) calls() bool {
	if l.instance != nil {
		return false
	}
	h := l.hello.Load()
	return h == nil || !h.EventsOnly
}
