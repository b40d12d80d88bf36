package nanobus

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"nanofront/nanobus/balance"
	"nanofront/nanobus/link"
)

// Service is a handle on the live instances of one service. It stays valid and identical for the
// life of the bus, whether there are instances or not.
type Service struct {
	bus   *Bus
	name  string
	live  atomic.Pointer[balance.View]
	parts atomic.Pointer[[]part] // by version; nil: not asked for
	lost  atomic.Int64           // bus time when the last live instance went
	keyed bool                   // guarded by Bus.mu: views have a table of keys
	apart bool                   // guarded by Bus.mu: there are views by version

	remembers atomic.Bool // an instance does: Options.Memory

	hedging balance.Hedging
}

// Name returns the service's name.
func (s *Service) Name() string { return s.name }

// Live returns how many instances can take requests now: linked, not
// draining, and not taken out by their weight.
func (s *Service) Live() int { return s.live.Load().Len() }

// TakesBodies reports whether every instance that can take requests takes bodies in chunks, and
// there is one.
func (s *Service) TakesBodies() bool {
	v := s.live.Load()
	for i := range v.Len() {
		if h := linkOf(v.Target(i)).Hello.Load(); h == nil || !h.Bodies {
			return false
		}
	}
	return v.Len() > 0
}

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

// Overloaded takes note that a request to the service was refused for want of room, by whomever:
// for a while none is sent twice for being slow.
func (s *Service) Overloaded() { s.hedging.Refused(s.bus.node.Nanos()) }

// pick chooses the instance for one request, among all of them or those of the versions, and takes
// one of its credits: the one that the key belongs to, or without a key (0) by weight, load and
// latency. avoid, if not nil, is used only when there is no other. chosen is which version it has.
func (s *Service) pick(key uint64, versions []string, avoid *Link) (l *Link, chosen int, err error) {
	v := s.live.Load()
	if len(versions) > 0 {
		v, chosen = s.ofVersion(versions)
	}
	l, err = s.pickFrom(v, key, avoid)
	if err == errNotKeyed { //nolint:errorlint // ours, never wrapped
		s.UseKeys()
		return s.pick(key, versions, avoid)
	}
	return l, chosen, err
}

// errNotKeyed tells that the view has no table of keys yet.
var errNotKeyed = errors.New("nanobus: no table of keys")

func (s *Service) pickFrom(v *balance.View, key uint64, avoid *Link) (*Link, error) {
	var not *balance.Target
	if avoid != nil {
		not = &avoid.Target
	}
	if key == 0 {
		t, err := v.Pick(not)
		return linkOf(t), err
	}
	if !v.Keyed() {
		return nil, errNotKeyed
	}
	t, moved, err := v.PickKey(key, not)
	if err == nil {
		s.bus.node.Metrics.Keyed.Inc()
		if moved {
			s.bus.node.Metrics.KeyMoved.Inc()
		}
	}
	return linkOf(t), err
}

// chooser is the service for its links, which send some requests to another of them too.
type chooser struct{ *Service }

func (s chooser) Pick(c *Call, avoid *Link) (l *Link, err error) {
	versions := c.Versions
	if len(versions) > 0 {
		versions = versions[c.Chosen : c.Chosen+1] // two answers of two versions would not be alike
	}
	l, _, err = s.pick(c.Key, versions, avoid)
	return l, err
}

func (s chooser) Chooses(l *Link) bool { return s.live.Load().Has(&l.Target) }

// linkOf is the link that was picked by its target; nil for none.
func linkOf(t *balance.Target) *Link {
	if t == nil {
		return nil
	}
	return t.Owner.(*Link) //nolint:forcetypeassert // link.New has set it
}

// rebuild makes the view of a service anew. Bus.mu is held.
func (s *Service) rebuild() {
	before := s.live.Load()
	instances := make([]balance.Instance, 0, before.Len()+1)
	stalled := 0
	for l, in := range s.bus.links {
		if in == nil || in.EventsOnly || in.Service != s.name || !l.Is(link.Live) || l.Target.Window() <= 0 || balance.Effective(in.Weight) == 0 {
			continue
		}
		instances = append(instances, balance.Instance{Version: in.Version, Target: &l.Target, ID: in.ID, Address: in.Address, Since: l.Attached, Weight: l.Target.Weigh(in.Weight)})
		if l.Stalled.Load() {
			stalled++
		}
	}
	if stalled > 0 && stalled < len(instances) { // never the last
		instances = slices.DeleteFunc(instances, func(in balance.Instance) bool { return linkOf(in.Target).Stalled.Load() })
	}
	s.remembers.Store(slices.ContainsFunc(instances, func(in balance.Instance) bool { return linkOf(in.Target).Memory() != "" }))
	if len(instances) == 0 && before.Len() > 0 {
		s.lost.Store(int64(s.bus.Now()))
	}
	all := balance.NewView(instances, before, s.keyed)
	s.live.Store(all)
	if s.apart {
		s.takeApart(instances, all)
	}
}

// Go sends a request to one instance of the service. The call ends within budget, or about 10 ms
// later, whatever happens. An error means that nothing was sent and c has not started:
// ErrNoInstance, ErrNoCredit, ErrTooLarge, ErrPayload, ErrClosed, or with SendMore ErrNoBodies.
//
// A call with a Key goes to the instance that the key belongs to, others are
// shared by weight, load and latency. If c.Link is set, as after a call that
// failed, another instance is preferred to that one.
func (s *Service) Go(c *Call, p Payload, budget time.Duration) error {
	_, _, err := s.send(c, p, budget, link.SendNow)
	return err
}

// send is Go. It returns where the request went, and which of its versions that is; by then c may
// have ended and be in other use.
func (s *Service) send(c *Call, p Payload, budget time.Duration, when link.SendWhen) (l *Link, chosen int, err error) {
	link.Prepare(c)
	avoid := c.Link
	var known *Link // whose memory has the request
	if c.Repeat == RepeatRemembered {
		known = avoid
	}
	for range 3 {
		l, chosen, err = s.pick(c.Key, c.Versions, avoid)
		c.Chosen = chosen
		if err != nil {
			if err == ErrNoCredit { //nolint:errorlint // ours, never wrapped
				s.Overloaded()
			}
			return nil, 0, err
		}
		if known != nil && !l.SharesMemory(known) {
			l.Target.Refund()
			avoid = l
			continue
		}
		err = s.bus.node.Calls.Start(l, c, p, budget, when)
		if err != ErrLinkDown { //nolint:errorlint // ours, never wrapped
			return l, chosen, err
		}
		avoid = l // gone, or draining, since it was picked: nothing was sent
	}
	return nil, 0, ErrNoInstance
}

// GoAll sends the requests, calls[i] with payloads[i], in as few messages as
// the instances' credits allow, so that the far side can answer them as one
// batch. Calls with a key go each to its own instance. Each call ends by
// itself; those that could not be started end at once with the error that Go
// would have returned.
func (s *Service) GoAll(calls []*Call, payloads []Payload, budget time.Duration) {
	var l *Link
	var versions []string // for which l was chosen
	var chosen int        // of them
	for i, c := range calls {
		link.Prepare(c)
		if c.Key == 0 && l != nil && slices.Equal(c.Versions, versions) && l.Is(link.Live) && l.Target.Credit() {
			c.Chosen = chosen
			err := s.bus.node.Calls.Start(l, c, payloads[i], budget, link.SendSoon)
			if err == nil {
				continue
			}
			if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrPayload) {
				link.Refuse(c, err)
				continue
			}
		}
		// The first, one with a key, or the link is full or gone: choose anew.
		keyed, of := c.Key != 0, c.Versions
		to, which, err := s.send(c, payloads[i], budget, link.SendSoon)
		switch {
		case err != nil:
			link.Refuse(c, err)
		case !keyed:
			l, versions, chosen = to, of, which
		}
	}
}

// learn goes by what the service's instances have taken lately. The sweep calls it once a second.
func (s *Service) learn() {
	v := s.live.Load()
	var p99s []time.Duration
	rate := 0.0
	for i := range v.Len() {
		recent := &linkOf(v.Target(i)).Recent
		if rate += recent.Rate; recent.Rate >= balance.HedgeRate && recent.P99 > 0 {
			p99s = append(p99s, recent.P99)
		}
	}
	s.judge(v)
	usual := time.Duration(0)
	if len(p99s) > 0 && v.Len() > 1 {
		// The median: one that is slow doesn't make it usual.
		slices.Sort(p99s)
		usual = p99s[(len(p99s)-1)/2]
	}
	s.hedging.Learn(usual, rate)
}

// judge ejects those of the instances that do worse than their peers, and lets others back. Bus.mu
// is held.
func (s *Service) judge(v *balance.View) {
	changed, ejected := v.JudgeAll()
	if ejected > 0 {
		s.bus.node.Metrics.Ejected.Add(uint64(ejected))
	}
	if changed {
		s.rebuild()
	}
}

// Batch sends requests that become ready together, such as those that one poll of many sockets
// finds: those for the same instance leave as one message at Flush, on the goroutine that calls it,
// if the system accepts it at once. That is better than what the writer can gather by itself: the
// first request wakes it, and however long it waits is a guess.
//
// The zero Batch is ready for use, by one goroutine at a time.
type Batch struct {
	links []*Link // have something from us that nobody was woken for
}

// Go is Service.Go, but the request may wait until Flush, which must follow soon: the call's budget
// is running.
func (b *Batch) Go(s *Service, c *Call, p Payload, budget time.Duration) error {
	l, _, err := s.send(c, p, budget, link.SendLater)
	if err != nil {
		return err
	}
	for _, have := range b.links {
		if have == l {
			return nil
		}
	}
	b.links = append(b.links, l)
	return nil
}

// Flush sends what waits.
func (b *Batch) Flush() {
	for i, l := range b.links {
		b.links[i] = nil
		l.Push()
	}
	b.links = b.links[:0]
}
