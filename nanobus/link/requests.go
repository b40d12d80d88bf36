package link

import "math/bits"

// requests is a table of requests by their ids, which a peer has chosen: chains
// through the requests themselves, so that each comes and goes at the same cost
// whatever the peer has chosen, and without allocation once the table has grown.
// Of two of one id it finds the later one.
type requests struct {
	chains []*Request // as many as a power of two; requests.n at least
	n      int
}

// golden is 2⁶⁴ by the golden ratio: its product's upper bits depend on all of
// a number's (Knuth's multiplicative hashing).
const golden = 0x9e3779b97f4a7c15

func (t *requests) chain(id uint64) **Request {
	return &t.chains[id*golden>>(64-bits.TrailingZeros(uint(len(t.chains))))]
}

func (t *requests) add(r *Request) {
	if t.n == len(t.chains) {
		t.grow()
	}
	head := t.chain(r.id)
	r.next, r.prev, r.listed = *head, nil, true
	if r.next != nil {
		r.next.prev = r
	}
	*head = r
	t.n++
}

func (t *requests) remove(r *Request) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		*t.chain(r.id) = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.next, r.prev, r.listed = nil, nil, false
	t.n--
}

// find returns nil if there is none.
func (t *requests) find(id uint64) *Request {
	if t.n == 0 {
		return nil
	}
	r := *t.chain(id)
	for r != nil && r.id != id {
		r = r.next
	}
	return r
}

// Each calls f with each request, which must leave the table alone.
func (t *requests) Each(f func(*Request)) {
	for _, r := range t.chains {
		for ; r != nil; r = r.next {
			f(r)
		}
	}
}

func (t *requests) grow() {
	before := *t
	*t = requests{chains: make([]*Request, max(2*len(before.chains), 16))}
	for _, r := range before.chains {
		for r != nil {
			next := r.next
			t.add(r)
			r = next
		}
	}
}
