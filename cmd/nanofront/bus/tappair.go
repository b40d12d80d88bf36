package bus

import (
	"fmt"
	"time"
)

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
	at        time.Time
	method    string
	path      string
	requestID string
	traceID   string
	parent    string // correlation id of the request for which it was sent
}

// hopKey names a request by the instance that works on it.
type hopKey struct{ instance, requestID string }

// pairs finds the request of a response, and the request for which another was sent. The oldest are
// forgotten first, so that requests whose responses were never seen don't fill the memory.
type pairs struct {
	open  map[pairKey]pair
	hops  map[hopKey]uint64 // to the correlation id
	order []pairKey         // ring of the keys in the order of their arrival
	next  int
}

func newPairs() *pairs { return &pairs{open: make(map[pairKey]pair), hops: make(map[hopKey]uint64)} }

func (p *pairs) put(k pairKey, req pair) {
	if len(p.order) < maxPairs {
		p.order = append(p.order, k)
	} else {
		p.take(p.order[p.next]) // most are gone already
		p.order[p.next] = k
		p.next = (p.next + 1) % maxPairs
	}
	p.open[k] = req
	if req.requestID != "" {
		p.hops[hopKey{k.instance, req.requestID}] = k.id
	}
}

// parent is the correlation id of what the instance works on under a request id; empty: nothing.
func (p *pairs) parent(instance, requestID string) string {
	id, ok := p.hops[hopKey{instance, requestID}]
	if !ok {
		return ""
	}
	return correlation(id)
}

// get looks a request up and leaves it.
func (p *pairs) get(k pairKey) (pair, bool) {
	req, ok := p.open[k]
	return req, ok
}

// take looks a request up and forgets it.
func (p *pairs) take(k pairKey) (pair, bool) {
	req, ok := p.open[k]
	if ok {
		delete(p.open, k)
		if hop := (hopKey{k.instance, req.requestID}); p.hops[hop] == k.id { // else that of a later one
			delete(p.hops, hop)
		}
	}
	return req, ok
}

// correlation is a correlation id as it is shown.
func correlation(id uint64) string { return fmt.Sprintf("%016x", id) }
