package balance

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Instance is a candidate for a request.
type Instance struct {
	Target *Target
	// Version is that of its code: see Service.ofVersion of nanobus.
	Version string
	// ID names it, in every process; Address and Since (when it was linked) tell apart two with the
	// same ID.
	ID, Address string
	Since       int64
	// Weight is its share, as people write it: see Effective. An instance whose effective weight is
	// 0 must not be in a view.
	Weight int
}

// View is the instances of a service that can take requests. It is immutable except for the cached
// sum at its end, and is replaced as a whole when an instance comes or goes or a weight changes:
// choosing takes no lock.
type View struct {
	members []member // sorted by ID, then by the age of the link
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
	target *Target
	weight int64   // 1..MaxWeight
	rate   float64 // the same, for bids
	hash   uint64  // of the instance ID: the same in every process
	out    bool    // ejected: it gets only what its weight draws
	second bool    // a younger link has the same instance ID; keys are for that one
}

// NewView makes a view of instances, which it sorts. keys says whether they are also chosen by key;
// before is the view that this one replaces.
func NewView(instances []Instance, before *View, keys bool) *View {
	slices.SortFunc(instances, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Address, b.Address))
	})
	v := &View{members: make([]member, len(instances))}
	equal := true
	for i := range instances {
		in, m := &instances[i], &v.members[i]
		m.target, m.weight = in.Target, int64(Effective(in.Weight))
		m.out = in.Target != nil && in.Target.Standing.Ejected()
		m.rate, m.hash = float64(m.weight), xxhash.Sum64String(in.ID)
		m.second = i+1 < len(instances) && instances[i+1].ID == in.ID
		v.weight += m.weight
		equal = equal && m.weight == v.members[0].weight
	}
	if len(instances) == 0 {
		return v
	}
	v.scale = float64(v.weight) / float64(len(instances))
	if !equal {
		v.alias = newAlias(v.members)
	}
	if keys {
		v.keys = newKeyTable(v.members, before)
	}
	v.age.Store(1 << 31) // never counted yet
	return v
}

// Len is how many instances there are to choose from.
func (v *View) Len() int { return len(v.members) }

// Target identifies the i-th of them.
func (v *View) Target(i int) *Target { return v.members[i].target }

// Keyed reports whether PickKey can be used.
func (v *View) Keyed() bool { return v.keys != nil || len(v.members) == 0 }

// exactUpTo is how many members' requests under way are counted for each pick
// by key. More are counted once for every n/exactUpTo picks, so that a pick
// costs about the same however many there are.
const exactUpTo = 16

// sum is how many of our requests are under way at all members: exactly, or as
// it was n/16 picks ago.
func (v *View) sum() int64 {
	n := len(v.members)
	if n > exactUpTo {
		if every := uint32(n / exactUpTo); v.age.Add(1) < every { // bounded by MaxLinks
			return v.total.Load()
		}
		v.age.Store(0)
	}
	total := int64(0)
	for i := range v.members {
		total += int64(v.members[i].target.inFlight.Load())
	}
	v.total.Store(total)
	return total
}

// Has reports whether the target is one of the members.
func (v *View) Has(t *Target) bool {
	return t != nil && slices.ContainsFunc(v.members, func(m member) bool { return m.target == t })
}
