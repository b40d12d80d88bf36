package nanobus

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// live is one view of the instances of a service that can take requests. It is
// immutable but for the cached sum at its end, and replaced as a whole when a
// link comes or goes or a weight changes: who chooses takes no lock.
type live struct {
	members []member // sorted by instance ID, then by the age of the link
	weight  int64    // sum of the members' weights
	scale   float64  // mean weight
	alias   *alias   // nil: all weights are equal
	keys    *keyTable

	// What sum last counted, and how many picks by key ago. Only for many
	// members: few are counted each time.
	total atomic.Int64
	age   atomic.Uint32
}

// member is an instance in a view.
type member struct {
	link   *Link
	weight int64   // 1..MaxWeight
	rate   float64 // the same, for bids
	hash   uint64  // of the instance ID: the same in every process
	second bool    // a younger link has the same instance ID; keys are for that one
}

// newLive makes a view of links, whose weights are beside them. keys says
// whether instances are also chosen by key, before is the view that it
// replaces.
func newLive(members []member, before *live, keys bool) *live {
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.link.instance.ID, b.link.instance.ID), cmp.Compare(a.link.attached, b.link.attached),
			cmp.Compare(a.link.instance.Address, b.link.instance.Address))
	})
	v := &live{members: members}
	equal := true
	for i := range members {
		m := &members[i]
		m.rate, m.hash = float64(m.weight), xxhash.Sum64String(m.link.instance.ID)
		m.second = i+1 < len(members) && members[i+1].link.instance.ID == m.link.instance.ID
		v.weight += m.weight
		equal = equal && m.weight == members[0].weight
	}
	if len(members) == 0 {
		return v
	}
	v.scale = float64(v.weight) / float64(len(members))
	if !equal {
		v.alias = newAlias(members)
	}
	if keys {
		v.keys = newKeyTable(members, before)
	}
	v.age.Store(1 << 31) // never counted yet
	return v
}

// rebuild makes the view of a service anew. Bus.mu is held.
func (s *Service) rebuild() {
	before := s.live.Load()
	members := make([]member, 0, len(before.members)+1)
	for l := range s.bus.links {
		in := l.instance
		if in == nil || in.EventsOnly || in.Service != s.name || !l.stateIs(linkLive) || l.window.Load() <= 0 {
			continue
		}
		if w := effectiveWeight(in.Weight); w > 0 {
			members = append(members, member{link: l, weight: int64(w)})
		}
	}
	if len(members) == 0 && len(before.members) > 0 {
		s.lost.Store(int64(s.bus.Now()))
	}
	s.live.Store(newLive(members, before, s.keyed))
}

// exactUpTo is how many members' requests under way are counted for each pick
// by key. More are counted once for every n/exactUpTo picks, so that a pick
// costs about the same however many there are.
const exactUpTo = 16

// sum is how many of our requests are under way at all members: exactly, or as
// it was n/16 picks ago.
func (v *live) sum() int64 {
	n := len(v.members)
	if n > exactUpTo {
		if every := uint32(n / exactUpTo); v.age.Add(1) < every { // bounded by MaxLinks
			return v.total.Load()
		}
		v.age.Store(0)
	}
	total := int64(0)
	for i := range v.members {
		total += int64(v.members[i].link.inFlight.Load())
	}
	v.total.Store(total)
	return total
}

// has reports whether the link is one of the members.
func (v *live) has(l *Link) bool {
	return l != nil && slices.ContainsFunc(v.members, func(m member) bool { return m.link == l })
}

// take takes a credit of the link. It looks before it does, because looking at a
// link that is full costs the others that use it nothing.
func (l *Link) take() bool { return l.inFlight.Load() < l.window.Load() && l.credit() }
