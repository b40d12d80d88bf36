package nanobus

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
)

// Service is a handle on the live instances of one service. It stays valid and identical for the
// life of the bus, whether there are instances or not.
type Service struct {
	bus   *Bus
	name  string
	live  atomic.Pointer[balance.View]
	lost  atomic.Int64 // bus time when the last live instance went
	keyed bool         // guarded by Bus.mu: views have a table of keys

	remembers atomic.Bool // an instance does: Options.Memory

	hedging hedging
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Live returns how many instances can take requests now: linked, not
// draining, and not taken out by their weight.
func (s *Service) Live() int { return s.live.Load().Len() }

// TakesBodies reports whether every instance that can take requests takes bodies in chunks, and there is one.
func (s *Service) TakesBodies() bool {
	v := s.live.Load()
	for i := range v.Len() {
		if h := linkOf(v.Target(i)).hello.Load(); h == nil || !h.Bodies {
			return false
		}
	}
	return v.Len() > 0
}

// memoryOf names where the peer of a link remembers requests.
func memoryOf(l *Link) string {
	if h := l.hello.Load(); h != nil {
		return h.Memory
	}
	return ""
}

// shareMemory reports whether the peers of both links know the same requests again.
func shareMemory(a, b *Link) bool { return memoryOf(a) != "" && memoryOf(a) == memoryOf(b) }

// Remembers reports whether an instance that can take requests knows one again that comes once more
// (Options.Memory).
func (s *Service) Remembers() bool { return s.remembers.Load() }

// Gone returns for how long there has been no instance that can take requests:
// 0 while there is one, and the bus' age if there never was.
func (s *Service) Gone() time.Duration {
	if s.Live() > 0 {
		return 0
	}
	return s.bus.Now() - time.Duration(s.lost.Load())
}

// UseKeys prepares the service for calls with a Key. The first such call would do so, too, but it
// and its neighbours would have to wait, which is noticeable with hundreds of instances
// (BenchmarkKeyTable/build=anew). Idempotent.
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
	var not *balance.Target
	if avoid != nil {
		not = &avoid.target
	}
	v := s.live.Load()
	if key == 0 {
		t, err := v.Pick(not)
		return linkOf(t), err
	}
	if !v.Keyed() {
		s.UseKeys()
		v = s.live.Load()
	}
	t, moved, err := v.PickKey(key, not)
	if err == nil {
		s.bus.metrics.keyed.Inc()
		if moved {
			s.bus.metrics.keyMoved.Inc()
		}
	}
	return linkOf(t), err
}

// chooses reports whether the link is chosen from.
func (s *Service) chooses(l *Link) bool { return s.live.Load().Has(&l.target) }

// linkOf is the link that was picked by its target; nil for none.
func linkOf(t *balance.Target) *Link {
	if t == nil {
		return nil
	}
	return t.Owner.(*Link) //nolint:forcetypeassert // newLink has set it
}

// rebuild makes the view of a service anew. Bus.mu is held.
func (s *Service) rebuild() {
	before := s.live.Load()
	instances := make([]balance.Instance, 0, before.Len()+1)
	stalled := 0
	for l := range s.bus.links {
		in := l.instance
		if in == nil || in.EventsOnly || in.Service != s.name || !l.stateIs(linkLive) || l.target.Window() <= 0 || balance.Effective(in.Weight) == 0 {
			continue
		}
		instances = append(instances, balance.Instance{Target: &l.target, ID: in.ID, Address: in.Address, Since: l.attached, Weight: l.target.Weigh(in.Weight)})
		if l.stalled.Load() {
			stalled++
		}
	}
	if stalled > 0 && stalled < len(instances) { // never the last
		instances = slices.DeleteFunc(instances, func(in balance.Instance) bool { return linkOf(in.Target).stalled.Load() })
	}
	s.remembers.Store(slices.ContainsFunc(instances, func(in balance.Instance) bool { return memoryOf(linkOf(in.Target)) != "" }))
	if len(instances) == 0 && before.Len() > 0 {
		s.lost.Store(int64(s.bus.Now()))
	}
	s.live.Store(balance.NewView(instances, before, s.keyed))
}

// Go sends a request to one instance of the service. The call ends within budget, or about 10 ms
// later, whatever happens. An error means that nothing was sent and c has not started:
// ErrNoInstance, ErrNoCredit, ErrTooLarge, ErrPayload, ErrClosed, or with SendMore ErrNoBodies.
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
	c.prepare()
	avoid := c.Link
	var known *Link // whose memory has the request
	if c.Repeat == RepeatRemembered {
		known = avoid
	}
	for range 3 {
		l, err := s.pick(c.Key, avoid)
		if err != nil {
			if err == ErrNoCredit { //nolint:errorlint // ours, never wrapped
				s.Overloaded()
			}
			return nil, err
		}
		if known != nil && !shareMemory(l, known) {
			l.target.Refund()
			avoid = l
			continue
		}
		err = s.bus.calls.start(l, c, p, budget, when)
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
		c.prepare()
		if c.Key == 0 && l != nil && l.stateIs(linkLive) && l.target.Credit() {
			err := s.bus.calls.start(l, c, payloads[i], budget, sendSoon)
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
