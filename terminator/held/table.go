package held

import (
	"sync"
	"time"
)

const (
	// Tick is how late a timeout may be noticed.
	Tick = 50 * time.Millisecond

	// wheel is how many ticks there are until the wheel has turned once. What is due later stays in
	// its place for further turns.
	wheel = 1 << 10
)

// Item is what is held.
type Item[O comparable, W any] struct {
	ID    uint64
	Owner O // who answers: the ids of others mean nothing
	Who   W // who waits
	Size  int

	due        int64 // tick
	prev, next *Item[O, W]
}

// Table is what is held, bounded in number. Whoever takes an item off it is the only one to have
// it. Times are since whatever the caller likes, but must not go back by much.
type Table[O comparable, W any] struct {
	most int

	mu      sync.Mutex
	items   map[uint64]*Item[O, W]
	bytes   int64
	looked  int64 // tick up to which nothing is due any more
	buckets [wheel]*Item[O, W]
}

// NewTable makes a table of at most so many items.
func NewTable[O comparable, W any](most int) *Table[O, W] {
	return &Table[O, W]{most: most, items: make(map[uint64]*Item[O, W])}
}

// Add holds an item for so long, until Take, or until it is due. False: there is no room, or the id
// is taken.
func (t *Table[O, W]) Add(i *Item[O, W], now, timeout time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.items[i.ID]; taken || len(t.items) >= t.most {
		return false
	}
	if len(t.items) == 0 {
		t.looked = max(t.looked, int64(now/Tick))
	}
	i.due = max(int64((now+timeout+Tick-1)/Tick), t.looked+1)
	t.items[i.ID] = i
	t.bytes += int64(i.Size)
	b := &t.buckets[i.due%wheel]
	if i.next = *b; i.next != nil {
		i.next.prev = i
	}
	*b = i
	return true
}

// Take takes the item with this id and owner; nil if there is none.
func (t *Table[O, W]) Take(id uint64, owner O) *Item[O, W] {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.items[id]
	if i == nil || i.Owner != owner {
		return nil
	}
	t.remove(i)
	return i
}

// TakeID is Take, whoever the owner is.
func (t *Table[O, W]) TakeID(id uint64) *Item[O, W] {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.items[id]
	if i != nil {
		t.remove(i)
	}
	return i
}

// TakeOwner takes all items of an owner.
func (t *Table[O, W]) TakeOwner(owner O) (list []*Item[O, W]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.items {
		if i.Owner == owner {
			t.remove(i)
			list = append(list, i)
		}
	}
	return list
}

// TakeSome takes up to n items, whichever.
func (t *Table[O, W]) TakeSome(n int) (list []*Item[O, W]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.items {
		if len(list) >= n {
			break
		}
		t.remove(i)
		list = append(list, i)
	}
	return list
}

// TakeDue takes the items whose time is up.
func (t *Table[O, W]) TakeDue(now time.Duration) (list []*Item[O, W]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tick := int64(now / Tick)
	for at := max(t.looked+1, tick-wheel+1); at <= tick; at++ {
		for i := t.buckets[at%wheel]; i != nil; {
			next := i.next
			if i.due <= tick {
				t.remove(i)
				list = append(list, i)
			}
			i = next
		}
	}
	t.looked = max(t.looked, tick)
	return list
}

// remove takes i off. mu is held.
func (t *Table[O, W]) remove(i *Item[O, W]) {
	delete(t.items, i.ID)
	t.bytes -= int64(i.Size)
	if i.prev != nil {
		i.prev.next = i.next
	} else {
		t.buckets[i.due%wheel] = i.next
	}
	if i.next != nil {
		i.next.prev = i.prev
	}
	i.prev, i.next = nil, nil
}

// Len is how many items there are.
func (t *Table[O, W]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.items)
}

// Bytes is the sum of their sizes.
func (t *Table[O, W]) Bytes() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}
