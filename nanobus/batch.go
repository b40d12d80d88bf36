package nanobus

import "time"

// Batch sends requests that become ready together, such as those that one poll of many sockets
// finds: those for the same instance leave as one message at Flush, on the goroutine that calls it,
// if the system accepts it at once. That is better than what the writer can gather by itself: the
// first request wakes it, and however long it waits is a guess.
//
// The zero Batch is ready for use, by one goroutine at a time.
type Batch struct {
	links []*Link // have something from us that nobody was woken for
}

// Go is Service.Go, but the request may wait until Flush, which must follow soon: the call's budget
// is running.
func (b *Batch) Go(s *Service, c *Call, p Payload, budget time.Duration) error {
	l, err := s.send(c, p, budget, sendLater)
	if err != nil {
		return err
	}
	for _, have := range b.links {
		if have == l {
			return nil
		}
	}
	b.links = append(b.links, l)
	return nil
}

// Flush sends what waits.
func (b *Batch) Flush() {
	for i, l := range b.links {
		b.links[i] = nil
		l.push()
	}
	b.links = b.links[:0]
}
