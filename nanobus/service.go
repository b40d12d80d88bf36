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
	bus   *Bus
	name  string
	live  atomic.Pointer[live]
	lost  atomic.Int64 // bus time when the last live instance went
	keyed bool         // guarded by Bus.mu: views have a table of keys
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Live returns how many instances can take requests now: linked, not
// draining, and not taken out by their weight.
func (s *Service) Live() int { return len(s.live.Load().members) }

// TakesBodies reports whether every instance that can take requests takes bodies in chunks, and there is one.
func (s *Service) TakesBodies() bool {
	members := s.live.Load().members
	for i := range members {
		if h := members[i].link.hello.Load(); h == nil || !h.Bodies {
			return false
		}
	}
	return len(members) > 0
}

// Gone returns for how long there has been no instance that can take requests:
// 0 while there is one, and the bus' age if there never was.
func (s *Service) Gone() time.Duration {
	if s.Live() > 0 {
		return 0
	}
	return s.bus.Now() - time.Duration(s.lost.Load())
}

// UseKeys prepares the service for calls with a Key. The first of them would
// do it, too, but it and those beside it would have to wait, which is felt when
// there are hundreds of instances already (BenchmarkKeyTable/build=anew).
// Idempotent.
func (s *Service) UseKeys() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if !s.keyed {
		s.keyed = true
		s.rebuild()
	}
}

// pick chooses the instance for one request and takes one of its credits: the
// one that the key belongs to, or without a key (0) by weight, load and
// latency. avoid, if not nil, is used only when there is no other.
func (s *Service) pick(key uint64, avoid *Link) (*Link, error) {
	v := s.live.Load()
	if key == 0 {
		return v.pick(avoid)
	}
	if v.keys == nil && len(v.members) > 0 {
		s.UseKeys()
		v = s.live.Load()
	}
	l, moved, err := v.pickKey(key, avoid)
	if err == nil {
		s.bus.metrics.keyed.Inc()
		if moved {
			s.bus.metrics.keyMoved.Inc()
		}
	}
	return l, err
}

// pick chooses by the power of two choices (Mitzenmacher 2001): of two
// members, drawn at random in proportion to their weights, the one where a
// request is expected to wait less. If neither has credit, any other that has.
func (v *live) pick(avoid *Link) (*Link, error) {
	n := len(v.members)
	switch n {
	case 0:
		return nil, ErrNoInstance
	case 1:
		if l := v.members[0].link; l.take() {
			return l, nil
		}
		return nil, ErrNoCredit
	}
	i, j := v.two(rand.Uint64())
	a, b := &v.members[i], &v.members[j]
	if a.link == avoid || (b.link != avoid && v.better(b, a)) {
		a, b = b, a
	}
	if a.link.take() {
		return a.link, nil
	}
	if b.link != avoid && b.link.take() {
		return b.link, nil
	}
	for k := range n {
		if l := v.members[(i+k)%n].link; l != avoid && l.take() {
			return l, nil
		}
	}
	if v.has(avoid) && avoid.take() {
		return avoid, nil
	}
	return nil, ErrNoCredit
}

// two draws two different members. There are two at least.
func (v *live) two(r uint64) (i, j int) {
	n := len(v.members)
	hi, lo := uint32(r>>32), uint32(r) // its halves
	if v.alias == nil {
		i, j = int(uint64(hi)*uint64(n)>>32), int(uint64(lo)*uint64(n-1)>>32) // below n
		if j >= i {
			j++
		}
		return i, j
	}
	i = v.alias.draw(hi)
	if n == 2 {
		return i, 1 - i
	}
	j = v.alias.draw(lo)
	if j == i {
		// One that outweighs all others would be drawn again and again: any
		// other, then. It gets the request only if it is clearly better.
		j = (i + 1 + int(uint64(uint32(r*golden>>32))*uint64(n-1)>>32)) % n // below n
	}
	return i, j
}

// better reports whether b is clearly better than a, which was drawn first:
// whether a request is expected to wait less than four fifths as long there.
//
// Among about equals the first one is to stay, for its weight has drawn it:
// else the slightly faster of two would get everything from a caller that never
// has more than one request under way. For the same reason, loads count as
// equal if one request more would make the lesser the greater: with weights
// 300 and 100, one request at the first is no reason to go to the second. And
// then, if the weights differ, b has to be twice as fast: a recent latency
// varies by as much where single requests do, and a heavy instance, asked more
// often, has more chances of looking slow (TestSim_SharesFollowWeights).
func (v *live) better(b, a *member) bool {
	na, nb := int64(a.link.inFlight.Load()), int64(b.link.inFlight.Load())
	ca, cb := a.link.cost(), b.link.cost()
	if (nb+1)*a.weight <= na*b.weight || (na+1)*b.weight <= nb*a.weight {
		ca *= float64(na)*v.scale/float64(a.weight) + 1
		cb *= float64(nb)*v.scale/float64(b.weight) + 1
	} else if a.weight != b.weight {
		return 2*cb < ca
	}
	return 5*cb < 4*ca
}

// cost is what a request on the link is expected to take, in ns. The constant
// keeps a link without history comparable with the others, and differences of
// some microseconds from deciding.
func (l *Link) cost() float64 { return float64(l.latency.Load() + int64(200*time.Microsecond)) }

// forgive is called once a second. An instance that looks slow gets no
// requests, and so no chance to look otherwise: a link without replies is
// forgiven half of its latency each time, until it gets one again.
func (l *Link) forgive() {
	if n := l.replies.Load(); n == l.repliesSeen {
		l.latency.Store(l.latency.Load() / 2)
	} else {
		l.repliesSeen = n
	}
}

// Go sends a request to one instance of the service. The call ends within
// budget, or some 10 ms later, whatever happens. An error means that nothing
// was sent and c has not started: ErrNoInstance, ErrNoCredit, ErrTooLarge,
// ErrPayload, ErrClosed, or with SendMore ErrNoBodies.
//
// A call with a Key goes to the instance that the key belongs to, others are
// shared by weight, load and latency. If c.Link is set, as after a call that
// failed, another instance is preferred to that one.
func (s *Service) Go(c *Call, p Payload, budget time.Duration) error {
	_, err := s.send(c, p, budget, sendNow)
	return err
}

// send is Go. It returns where the request went; by then c may have ended and
// be in other use.
func (s *Service) send(c *Call, p Payload, budget time.Duration, when sendWhen) (*Link, error) {
	avoid := c.Link
	for range 3 {
		l, err := s.pick(c.Key, avoid)
		if err != nil {
			return nil, err
		}
		err = s.bus.start(l, c, p, budget, when)
		if err != ErrLinkDown { //nolint:errorlint // ours, never wrapped
			return l, err
		}
		avoid = l // gone, or draining, since it was picked: nothing was sent
	}
	return nil, ErrNoInstance
}

// GoAll sends the requests, calls[i] with payloads[i], in as few messages as
// the instances' credits allow, so that the far side can answer them as one
// batch. Calls with a key go each to its own instance. Each call ends by
// itself; those that could not be started end at once with the error that Go
// would have returned.
func (s *Service) GoAll(calls []*Call, payloads []Payload, budget time.Duration) {
	var l *Link
	for i, c := range calls {
		if c.Key == 0 && l != nil && l.stateIs(linkLive) && l.credit() {
			err := s.bus.start(l, c, payloads[i], budget, sendSoon)
			if err == nil {
				continue
			}
			if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrPayload) {
				c.Err = err
				c.finish(nil)
				continue
			}
		}
		// The first, one with a key, or the link is full or gone: choose anew.
		keyed := c.Key != 0
		to, err := s.send(c, payloads[i], budget, sendSoon)
		switch {
		case err != nil:
			c.Err = err
			c.finish(nil)
		case !keyed:
			l = to
		}
	}
}
