package bus

import "time"

// maxPairs bounds the requests whose responses are waited for.
const maxPairs = 1 << 16

// pairKey names a request: ids of different callers may be the same, and two
// instances may have one of each.
type pairKey struct {
	service, instance, peer string
	id                      uint64
}

// pair is what is remembered of a request until its response.
type pair struct {
	at     time.Time
	method string
	path   string
}

// pairs finds the request of a response. The oldest are forgotten first, so that
// requests whose responses were never seen don't fill the memory.
type pairs struct {
	open  map[pairKey]pair
	order []pairKey // ring of the keys in the order of their arrival
	next  int
}

func newPairs() *pairs { return &pairs{open: make(map[pairKey]pair)} }

func (p *pairs) put(k pairKey, req pair) {
	if len(p.order) < maxPairs {
		p.order = append(p.order, k)
	} else {
		delete(p.open, p.order[p.next]) // most are gone already
		p.order[p.next] = k
		p.next = (p.next + 1) % maxPairs
	}
	p.open[k] = req
}

// get looks a request up and leaves it.
func (p *pairs) get(k pairKey) (pair, bool) {
	req, ok := p.open[k]
	return req, ok
}

// take looks a request up and forgets it.
func (p *pairs) take(k pairKey) (pair, bool) {
	req, ok := p.open[k]
	delete(p.open, k)
	return req, ok
}
