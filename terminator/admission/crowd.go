package admission

import (
	"net/netip"
	"sync/atomic"
)

// crowd counts, while a gate limits, who asks: clients by the prefix of their address, in a table
// of fixed size. What was asked in a window counts half in the next. Prefixes may share a counter;
// then all of them count as what they are together.
type crowd struct {
	asked [crowdSize]atomic.Uint32
	fair  atomic.Uint32 // who asks for more takes places of others; 0: nobody is known
}

const crowdSize = 1024

// Client is whom a request is for, by the prefix of his address. The zero Client is nobody.
type Client uint32

// ClientOf is the client of an address: by /24 of IPv4 and /56 of IPv6, as one customer may have
// all of that.
func ClientOf(ip netip.Addr) Client {
	if !ip.IsValid() {
		return 0
	}
	const prime = 16777619 // FNV-1a
	h := uint32(2166136261)
	if ip = ip.Unmap(); ip.Is4() {
		a := ip.As4()
		for _, b := range a[:3] {
			h = (h ^ uint32(b)) * prime
		}
	} else {
		a := ip.As16()
		for _, b := range a[:7] {
			h = (h ^ uint32(b)) * prime
		}
	}
	return Client(1 + (h^h>>15)%crowdSize)
}

// asks counts a request of c, and reports whether c asks for more than a fair share.
func (w *crowd) asks(c Client) (greedy bool) {
	if c == 0 {
		return false
	}
	n := w.asked[c-1].Add(1)
	fair := w.fair.Load()
	return fair != 0 && n > fair
}

// ends ends a window in which so many were answered: that, shared by all who asked, is fair; what
// some leave of their shares is for the others.
func (w *crowd) ends(answers int64) {
	var counts [crowdSize]uint32
	clients := 0
	for i := range w.asked {
		n := w.asked[i].Load()
		if n > 0 {
			w.asked[i].Store(n / 2)
			counts[clients] = n
			clients++
		}
	}
	w.fair.Store(fairShare(counts[:clients], uint32(min(2*answers, 1<<31)))) // twice: see asked
}

// fairShare is the greatest share of places that nobody has to have less of than he asks for but
// those who ask for more: max-min fairness. 0: there are places for all.
func fairShare(asked []uint32, places uint32) uint32 {
	if len(asked) == 0 {
		return 0
	}
	share, left, n := uint32(0), places, uint32(len(asked))
	for n > 0 {
		even := left / n
		if even <= share {
			break
		}
		share = even
		left, n = places, 0
		for _, a := range asked {
			if a <= share {
				left -= min(a, left)
			} else {
				n++
			}
		}
		if n == 0 {
			return 0
		}
	}
	return max(share, 1)
}

// clear forgets all.
func (w *crowd) clear() {
	for i := range w.asked {
		if w.asked[i].Load() != 0 {
			w.asked[i].Store(0)
		}
	}
	w.fair.Store(0)
}
