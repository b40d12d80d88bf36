package nanobus

import (
	"bytes"
	"sync"
	"time"

	"nanofront/nanobus/link"
	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// linkSet has the links of a bus, and the instances that it is to be linked to.
type linkSet struct {
	bus *Bus

	// mu guards what follows. A link's lock may be taken under it, not the other way round. Nothing
	// is logged under it: what a logger does is up to whoever supplied it.
	mu        sync.Mutex
	closed    bool
	draining  bool
	listeners []*sp.Socket
	links     map[*Link]*instance // nil for those that were accepted
	instances map[instanceKey]*instance
	services  map[string]*Service
}

func (s *linkSet) join(l *Link, first bool) (up, duplicate bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first && s.linksOfPeer(l) > link.MaxPeerLinks {
		return false, true
	}
	if first && l.State.CompareAndSwap(int32(link.Greeting), int32(link.Live)) {
		up = true
		l.Pipe.Know()
		if s.draining && l.Challenge.Ours.Nonce != nil {
			l.Control(wire.KindDraining, 0, 0) // before the proof it would have been dropped
		}
	}
	s.shareWindow()
	s.refresh(l)
	return up, false
}

func (s *linkSet) setDraining(l *Link) {
	s.mu.Lock()
	was := l.State.CompareAndSwap(int32(link.Live), int32(link.Draining))
	if was {
		s.refresh(l)
	}
	s.mu.Unlock()
	if was {
		l.Event("draining").Stringer("link", l).Msg("peer is draining")
	}
}

// refresh makes the view of the service behind l anew. mu is held.
func (s *linkSet) refresh(l *Link) {
	if l.Instance != nil {
		s.bus.service(l.Instance.Service).rebuild()
	}
}

func (s *linkSet) snapshotLinks() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	ls := make([]*Link, 0, len(s.links))
	for l := range s.links {
		ls = append(ls, l)
	}
	return ls
}

// admits reports whether one more connection may become a link, and sees to it
// if it can. Each instance that we dial has its place kept. Among accepted
// links those that have not introduced themselves go first, the oldest before
// the others. mu is held.
func (s *linkSet) admits(in *instance) bool {
	var accepted, greeting, dialled int
	var oldest *Link
	for l := range s.links {
		switch {
		case l.Instance != nil:
			dialled++
		case !l.Is(link.Greeting):
			accepted++
		default:
			accepted++
			greeting++
			if l.CloseReason.Load() == nil && (oldest == nil || l.Attached < oldest.Attached) {
				oldest = l
			}
		}
	}
	if in != nil {
		return dialled < s.bus.opts.MaxLinks
	}
	most := max(s.bus.opts.MaxLinks-len(s.instances), 1)
	if accepted < most && greeting < link.MaxGreeting {
		return true
	}
	// What was told to go may not have gone yet; but that is no way to have
	// any number.
	if oldest == nil || accepted >= most+link.MaxGreeting {
		return false
	}
	oldest.Close("crowded")
	return true
}

// linksOfPeer counts the accepted links of the peer behind l. A process is known by
// what it has drawn at its start, since two may have been given one name; one
// that says nothing of the kind, by its name. mu is held.
func (s *linkSet) linksOfPeer(l *Link) int {
	h := l.Hello.Load()
	if l.Instance != nil || h == nil || h.Instance == "" {
		return 0
	}
	n := 0
	for k := range s.links {
		if k.Instance != nil || k.Is(link.Down) {
			continue
		}
		if o := k.Hello.Load(); o != nil && o.Service == h.Service && o.Instance == h.Instance && bytes.Equal(o.Process, h.Process) {
			n++
		}
	}
	return n
}

// shareWindow divides the window among the links whose peers send requests, and
// tells those whose share has changed. mu is held.
func (s *linkSet) shareWindow() {
	if s.bus.opts.Serve == nil {
		return
	}
	share := s.windowShare(s.callers())
	now := s.bus.node.Nanos()
	for l := range s.links {
		l.Mu.Lock()
		if !l.MayCall() || l.Granted == share {
			l.Mu.Unlock()
			continue
		}
		l.Grant(share, now)
		l.Mu.Unlock()
		l.Control(wire.KindCredit, 0, 0, byte(share>>24), byte(share>>16), byte(share>>8), byte(share)) // four bytes of a window
	}
}

// callers counts the links whose peers send requests. mu is held.
func (s *linkSet) callers() int {
	n := 0
	for l := range s.links {
		if l.MayCall() {
			n++
		}
	}
	return n
}

// windowShare is the window of each of so many links.
func (s *linkSet) windowShare(callers int) int {
	return max(s.bus.opts.Window/max(callers, 1), min(minShare, s.bus.opts.Window))
}

func (s *linkSet) drained() bool {
	for _, l := range s.snapshotLinks() {
		l.Mu.Lock()
		// A link without the peer's hello counts: the peer may have ours, and
		// have sent requests behind its own. One that stays silent is ended
		// by its helloTimeout.
		h := l.Hello.Load()
		ok := l.DrainAck || l.Closed || l.Instance != nil || (h != nil && h.EventsOnly)
		l.Mu.Unlock()
		if !ok {
			return false
		}
	}
	return s.bus.Served() == 0
}

// drainAcked takes note of a peer's ack, unless it was not asked for: a stock
// peer's goes to everybody.
func (s *linkSet) drainAcked(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		return
	}
	l.Mu.Lock()
	l.DrainAck = true
	l.Mu.Unlock()
}

// leave ends our callers' links so that they get all that was sent: we say no more, and go on
// reading until they have closed. A connection that is closed while something comes in, a ping or a
// cancel, is reset, and what the system has not delivered yet is lost. For Close, after Drain.
func (s *linkSet) leave() {
	deadline := time.Now().Add(leaveTimeout)
	var leaving []*Link
	for _, l := range s.snapshotLinks() {
		if l.Instance == nil && l.EndWriting(deadline) {
			leaving = append(leaving, l)
		}
	}
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	for _, l := range leaving {
		select {
		case <-l.Ended:
		case <-timeout.C:
			return
		}
	}
}

// prune lets go of instances that are listed no longer. mu is held.
func (s *linkSet) prune(now int64) {
	for k, in := range s.instances {
		if in.missing == 0 {
			continue
		}
		l := in.link.Load()
		alive := l != nil && !l.Is(link.Down) && !l.Is(link.Draining)
		if alive && now-in.missing < int64(removeGrace) {
			continue
		}
		if l != nil && l.InFlight() > 0 && now-in.missing < int64(2*removeGrace) {
			continue // draining: let it answer
		}
		delete(s.instances, k)
		if l != nil {
			removed := "removed"
			l.CloseReason.CompareAndSwap(nil, &removed)
		}
		s.bus.node.Tasks.Go(func() { _ = in.socket.Close() })
	}
}
