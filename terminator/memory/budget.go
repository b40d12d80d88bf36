package memory

import (
	"sync"
	"sync/atomic"
)

const (
	// clientGreed and serviceGreed are how many times as much as it leaves free one may hold: a
	// service more, as it has many clients, and one of them isn't to take all of its share.
	clientGreed, serviceGreed = 1, 4
	// floor is the part of the budget that one may hold however little is free.
	floor = 64

	// maxServices is how many services have shares; those beyond have none. Names are not
	// forgotten.
	maxServices = 1024
	// maxClients is how many clients are told apart.
	maxClients = 1024
)

// Budget is how many bytes may be held. Make it with New; nil has no room.
type Budget struct {
	most, floor int64
	held        atomic.Int64

	services [maxServices]atomic.Int64 // held for each
	clients  [maxClients]atomic.Int64
	several  atomic.Bool // services: one alone needs no share

	mu    sync.Mutex
	names map[string]Service
}

// Service stands for a service. The zero Service is none, and has no share.
type Service uint32

// Owner is whom bytes are held for.
type Owner struct {
	Service Service
	// Client is from 1 to 1024, by the prefix of its address. 0: not known.
	Client uint32
}

// New makes a budget of most bytes.
func New(most int64) *Budget {
	return &Budget{most: most, floor: most / floor, names: make(map[string]Service)}
}

// Service is what stands for a service of that name.
func (b *Budget) Service(name string) Service {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.names[name]
	if !ok && len(b.names) < maxServices {
		s = Service(len(b.names) + 1)
		b.names[name] = s
		b.several.Store(s > 1)
	}
	return s
}

// Take takes n bytes, or returns false if there are not so many left, or they would be more than
// the owner's share.
func (b *Budget) Take(n int, o Owner) bool {
	if b == nil {
		return false
	}
	service, client := b.add(int64(n), o)
	free := b.most - b.held.Load()
	if free >= 0 && b.fits(client, clientGreed*free) && (b.fits(service, serviceGreed*free) || !b.several.Load()) {
		return true
	}
	b.add(int64(-n), o)
	return false
}

// fits reports whether one may hold so much.
func (b *Budget) fits(held, most int64) bool { return held <= most || held <= b.floor }

// Give gives n bytes back that were taken for that owner.
func (b *Budget) Give(n int, o Owner) {
	if n != 0 {
		b.add(int64(-n), o)
	}
}

// add returns what is held then for either.
func (b *Budget) add(n int64, o Owner) (service, client int64) {
	b.held.Add(n)
	if o.Service != 0 {
		service = b.services[o.Service-1].Add(n)
	}
	if o.Client != 0 {
		client = b.clients[(o.Client-1)%maxClients].Add(n)
	}
	return service, client
}

// Held is how many bytes are taken.
func (b *Budget) Held() int64 { return b.held.Load() }
