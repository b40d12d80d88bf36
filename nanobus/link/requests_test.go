package link

import (
	"math/rand/v2"
	"testing"
)

// A table of requests finds what is in it and nothing else, whatever ids a peer
// chooses: also the same for several, and such as fall into one chain.
func TestRequests_FindWhatIsThere(t *testing.T) {
	for name, id := range map[string]func() uint64{
		"any":      rand.Uint64,
		"counting": func() func() uint64 { n := uint64(0); return func() uint64 { n++; return n } }(),
		"few":      func() uint64 { return rand.Uint64N(40) },
		"chained":  func() uint64 { return rand.Uint64N(100) * 0xf1de83e19937733d }, // golden's inverse: all in the first chain
	} {
		t.Run(name, func(t *testing.T) {
			var table requests
			there := make(map[*Request]bool)
			byID := make(map[uint64]int)
			for range 20_000 {
				if rand.IntN(2) == 0 {
					r := &Request{id: id()}
					table.add(r)
					there[r] = true
					byID[r.id]++
				} else {
					for r := range there {
						table.remove(r)
						delete(there, r)
						byID[r.id]--
						break
					}
				}
				i := id()
				if r := table.find(i); (r != nil) != (byID[i] > 0) || r != nil && (r.id != i || !there[r]) {
					t.Fatalf("found %v for id %d, of which %d are there", r, i, byID[i])
				}
			}
			n := 0
			table.Each(func(r *Request) {
				if n++; !there[r] || !r.listed {
					t.Error("one that isn't there")
				}
			})
			if n != len(there) || n != table.n {
				t.Errorf("%d of %d, counted as %d", n, len(there), table.n)
			}
		})
	}
}
