package nanobus

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Service is a handle on the live instances of one service. It stays valid,
// and the same, for the life of the bus, whether there are instances or not.
type Service struct {
	bus  *Bus
	name string
	live atomic.Pointer[[]*Link]
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Live returns how many instances can take requests now.
func (s *Service) Live() int { return len(*s.live.Load()) }

// pick chooses the instance for one request and takes one of its credits:
// of two drawn at random the one with the lower cost (power of two choices;
// Mitzenmacher 2001). If neither has credit, any other that has. avoid, if
// not nil, is used only when there is no other.
func (s *Service) pick(avoid *Link) (*Link, error) {
	links := *s.live.Load()
	n := len(links)
	switch n {
	case 0:
		return nil, ErrNoInstance
	case 1:
		if links[0].credit() {
			return links[0], nil
		}
		return nil, ErrNoCredit
	}
	r := rand.Uint64() //nolint:gosec // spread, not secrecy
	i := int(r>>32) % n
	j := int(uint32(r)) % (n - 1) //nolint:gosec // its lower half
	if j >= i {
		j++
	}
	a, b := links[i], links[j]
	// Among about equals the one drawn first, by chance: else the slightly
	// faster of two would get everything from a caller that never has more
	// than one request under way.
	if a == avoid || (b != avoid && 5*b.cost() < 4*a.cost()) {
		a, b = b, a
	}
	if a.credit() {
		return a, nil
	}
	if b != avoid && b.credit() {
		return b, nil
	}
	for k := range n {
		if l := links[(i+k)%n]; l != avoid && l.credit() {
			return l, nil
		}
	}
	if avoid != nil && avoid.stateIs(linkLive) && avoid.credit() {
		return avoid, nil
	}
	return nil, ErrNoCredit
}

// cost is what one more request on the link is expected to wait for. The
// constant keeps a link without history comparable with the others, and
// differences of some microseconds from deciding.
//
// An instance that looks slow gets no requests, and so no chance to look
// otherwise: a link without replies is forgiven half of its latency each
// second (tend), until it gets one again.
func (l *Link) cost() int64 {
	return (int64(l.inFlight.Load()) + 1) * (l.latency.Load() + int64(200*time.Microsecond))
}

// Go sends a request to one instance of the service. The call ends within
// budget, or some 10 ms later, whatever happens. An error means that nothing
// was sent and c has not started: ErrNoInstance, ErrNoCredit, ErrTooLarge,
// ErrClosed.
//
// If c.Link is set, as after a call that failed, another instance is
// preferred to that one.
func (s *Service) Go(c *Call, p Payload, budget time.Duration) error {
	avoid := c.Link
	for range 3 {
		l, err := s.pick(avoid)
		if err != nil {
			return err
		}
		err = s.bus.start(l, c, p, budget)
		if err != ErrLinkDown { //nolint:errorlint // ours, never wrapped
			return err
		}
		avoid = l // died between pick and start: nothing was sent
	}
	return ErrNoInstance
}

// GoAll sends the requests, calls[i] with payloads[i], in as few messages as
// the instances' credits allow, so that the far side can answer them as one
// batch. Each call ends by itself; those that could not be started end at once
// with the error that Go would have returned.
func (s *Service) GoAll(calls []*Call, payloads []Payload, budget time.Duration) {
	var l *Link
	for i, c := range calls {
		if l != nil && l.stateIs(linkLive) && l.credit() {
			err := s.bus.start(l, c, payloads[i], budget)
			if err == nil {
				continue
			}
			if errors.Is(err, ErrTooLarge) {
				c.Err = err
				c.finish(nil)
				continue
			}
		}
		// The first, or the link is full or gone: choose anew.
		if err := s.Go(c, payloads[i], budget); err != nil {
			c.Err = err
			c.finish(nil)
			continue
		}
		l = c.Link
	}
}
