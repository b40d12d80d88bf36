package nanobus

import (
	"math/rand/v2"
	"sync/atomic"
)

// A correlation id is origin(16) | generation(24) | slot(24).
//
// The origin tells one caller's ids from another's, for replies that a stock
// BUS peer sends to everybody. The slot makes matching a reply one array
// access. The generation changes each time the slot is used, so that a late
// reply never meets the slot's next call.
const (
	slotBits       = 24
	generationBits = 24
	slotMask       = 1<<slotBits - 1
	generationMask = 1<<generationBits - 1

	maxSlots = 1 << 20
)

// slot is one place in the table. Whoever swaps id from the call's id to 0
// owns the call from there on and is the only one to complete it: the reply,
// the deadline, the cancel and the broken link race for that swap.
type slot struct {
	id       atomic.Uint64 // the id awaited; 0 when free or already completed
	deadline atomic.Int64  // bus time in ns
	link     atomic.Pointer[Link]
	call     *Call // written before id is set, read after id was swapped
	next     uint32
	gen      uint32
	_        [24]byte // one slot per cache line
}

// table is the set of calls under way: preallocated slots and a lock-free
// stack of the free ones. A stack and not a queue, because the slots used last
// are in the cache and because the sweep then looks at few: all that is in use
// lies below high.
type table struct {
	origin uint64
	slots  []slot
	free   atomic.Uint64 // tag(32) | slot index + 1 (32); the tag defeats ABA
	high   atomic.Uint32 // slots at and above this have not been used since the last trim
	used   atomic.Int64
}

func newTable(n int, origin uint16) *table {
	// Never 0: so no id of ours is 0, which means "no id".
	t := &table{origin: uint64(max(origin, 1)), slots: make([]slot, n)}
	for i := range t.slots {
		t.slots[i].gen = rand.Uint32() & generationMask
		if i+1 < n {
			t.slots[i].next = uint32(i + 2)
		}
	}
	t.free.Store(1)
	return t
}

// take returns a free slot, or nil when all are in use.
func (t *table) take() (*slot, uint64) {
	for {
		head := t.free.Load()
		i := uint32(head) // its lower half: the index
		if i == 0 {
			return nil, 0
		}
		s := &t.slots[i-1]
		// next may be stale when another goroutine has taken s meanwhile;
		// the tag makes the swap fail then.
		next := atomic.LoadUint32(&s.next)
		if !t.free.CompareAndSwap(head, (head>>32+1)<<32|uint64(next)) {
			continue
		}
		t.used.Add(1)
		s.gen = (s.gen + 1) & generationMask
		return s, t.origin<<48 | uint64(s.gen)<<slotBits | uint64(i-1)
	}
}

// arm makes the call awaited: from here on it can end.
func (t *table) arm(s *slot, id uint64) {
	s.id.Store(id)
	t.raise(uint32(id&slotMask) + 1)
}

// raise sees to it that the sweep looks at the first n slots.
func (t *table) raise(n uint32) {
	for {
		h := t.high.Load()
		if n <= h || t.high.CompareAndSwap(h, n) {
			return
		}
	}
}

// give puts a slot back. Only the owner of its call may.
func (t *table) give(s *slot, id uint64) {
	i := uint32(id&slotMask) + 1
	s.call = nil
	s.link.Store(nil)
	t.used.Add(-1)
	for {
		head := t.free.Load()
		atomic.StoreUint32(&s.next, uint32(head)) // its lower half: the index
		if t.free.CompareAndSwap(head, (head>>32+1)<<32|uint64(i)) {
			return
		}
	}
}

// claim makes the caller the owner of the call with this id. It returns nil
// when the id is not (or no longer) awaited.
func (t *table) claim(id uint64) *Call {
	i := id & slotMask
	if id == 0 || i >= uint64(len(t.slots)) {
		return nil
	}
	s := &t.slots[i]
	if !s.id.CompareAndSwap(id, 0) {
		return nil
	}
	c := s.call
	t.give(s, id)
	return c
}

// claimOn is claim for a reply that came on a link. It returns nil for a call
// that waits for its reply on another one: ids can be guessed, and one peer
// must not answer for the next.
func (t *table) claimOn(id uint64, l *Link) *Call {
	if i := id & slotMask; i < uint64(len(t.slots)) {
		// In this order: while the slot has the id, its link is the call's.
		if s := &t.slots[i]; s.id.Load() != id || s.link.Load() != l {
			return nil
		}
	}
	return t.claim(id)
}

// issued reports whether the id was issued by this table's process.
func (t *table) issued(id uint64) bool { return id>>48 == t.origin }

// inUse returns the slots that may hold a call.
func (t *table) inUse() []slot { return t.slots[:t.high.Load()] }

// trim lowers the mark towards what is used now, so that one burst doesn't
// make every later sweep long. Only the sweep calls it.
func (t *table) trim() {
	h := t.high.Load()
	top := h
	for top > 0 && t.slots[top-1].id.Load() == 0 {
		top--
	}
	if h <= 2*top+1024 {
		return
	}
	low := h - h/8
	if !t.high.CompareAndSwap(h, low) {
		return
	}
	// A call armed between the look and the swap found the mark still high
	// enough and left it: look again. One armed from now on sees the new mark.
	for i := h; i > low; i-- {
		if t.slots[i-1].id.Load() != 0 {
			t.raise(i)
			return
		}
	}
}
