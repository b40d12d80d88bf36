package link

import (
	"math/rand/v2"
	"sync"
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

	MaxSlots = 1 << 20

	// copying marks a slot's id while a copy of its call's request is made, or is done away with.
	// No slot is so large.
	copying = 1 << (slotBits - 1)
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

	// repeat is the bus time at which a copy of the request may be sent to another instance; 0 is
	// never, and less than that says that there is a copy, or that it is one: see copies.go.
	repeat atomic.Int64
	copied uint64 // the copy's id; written by whoever has marked id with copying
	of     uint64 // the id of whose copy it is; as call

	// One slot per cache line.
}

// table is the set of calls under way: preallocated slots and a lock-free
// stack of the free ones. A stack and not a queue, because the slots used last
// are in the cache and because the sweep then looks at few: all that is in use
// lies below high.
type table struct {
	Origin uint64
	making sync.Mutex // held while any id is marked with copying
	Slots  []slot
	free   atomic.Uint64 // tag(32) | slot index + 1 (32); the tag defeats ABA
	high   atomic.Uint32 // slots at and above this have not been used since the last trim
	Used   atomic.Int64
}

func newTable(n int, origin uint16) *table {
	// Never 0: so no id of ours is 0, which means "no id".
	t := &table{Origin: uint64(max(origin, 1)), Slots: make([]slot, n)}
	for i := range t.Slots {
		t.Slots[i].gen = rand.Uint32() & generationMask
		if i+1 < n {
			t.Slots[i].next = uint32(i + 2)
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
		s := &t.Slots[i-1]
		// next may be stale when another goroutine has taken s meanwhile;
		// the tag makes the swap fail then.
		next := atomic.LoadUint32(&s.next)
		if !t.free.CompareAndSwap(head, (head>>32+1)<<32|uint64(next)) {
			continue
		}
		t.Used.Add(1)
		s.gen = (s.gen + 1) & generationMask
		return s, t.Origin<<48 | uint64(s.gen)<<slotBits | uint64(i-1)
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
	s.call, s.copied, s.of = nil, 0, 0
	s.link.Store(nil)
	t.Used.Add(-1)
	for {
		head := t.free.Load()
		atomic.StoreUint32(&s.next, uint32(head)) // its lower half: the index
		if t.free.CompareAndSwap(head, (head>>32+1)<<32|uint64(i)) {
			return
		}
	}
}

// At is the slot of an id; nil for one that no slot has.
func (t *table) At(id uint64) *slot {
	if i := id & slotMask; i < uint64(len(t.Slots)) {
		return &t.Slots[i]
	}
	return nil
}

// Awaited is the id that the slot waits for, 0 if none.
func (s *slot) Awaited() uint64 { return s.id.Load() &^ copying }

// claim makes the caller the owner of what waits for this id: a call, with the id of its request's
// copy if there is one, or such a copy, with the id of whose it is. Not ok: the id is not (or no
// longer) awaited.
func (t *table) claim(id uint64) (c *Call, other uint64, ok bool) {
	s := t.At(id)
	if id == 0 || s == nil {
		return nil, 0, false
	}
	for !s.id.CompareAndSwap(id, 0) {
		switch s.id.Load() {
		case id: // the mark has gone just now
		case id | copying:
			t.making.Lock() // it is about to be through
			t.making.Unlock()
		default:
			return nil, 0, false
		}
	}
	c, other = s.call, s.of
	if c != nil {
		other = s.copied
	}
	t.give(s, id)
	return c, other, true
}

// on reports whether the id is awaited from a link: ids can be guessed, and one peer must not
// answer for the next.
func (t *table) on(id uint64, l *Link) bool {
	s := t.At(id)
	// In this order: while the slot has the id, its link is the call's.
	return id != 0 && s != nil && s.Awaited() == id && s.link.Load() == l
}

// issued reports whether the id was issued by this table's process.
func (t *table) issued(id uint64) bool { return id>>48 == t.Origin }

// InUse returns the slots that may hold a call.
func (t *table) InUse() []slot { return t.Slots[:t.high.Load()] }

// Trim lowers the mark towards what is used now, so that one burst doesn't
// make every later sweep long. Only the sweep calls it.
func (t *table) Trim() {
	h := t.high.Load()
	top := h
	for top > 0 && t.Slots[top-1].id.Load() == 0 {
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
		if t.Slots[i-1].id.Load() != 0 {
			t.raise(i)
			return
		}
	}
}
