package link

import (
	"sync"
	"testing"
)

// TestTable_ClaimMeetsMark: a slot whose id is marked for a moment is awaited all the while.
func TestTable_ClaimMeetsMark(t *testing.T) {
	table := newTable(1, 1)
	ids, quit := make(chan uint64), make(chan struct{})
	var marking sync.WaitGroup
	for range 3 {
		marking.Go(func() {
			id := <-ids
			for s := &table.Slots[0]; ; {
				select {
				case id = <-ids:
				case <-quit:
					return
				default:
				}
				table.making.Lock()
				if s.id.CompareAndSwap(id, id|copying) {
					s.id.Store(id)
				}
				table.making.Unlock()
			}
		})
	}
	for range 1500 {
		s, id := table.take()
		s.call = &Call{}
		table.arm(s, id)
		for range 3 {
			ids <- id
		}
		if c, _, ok := table.claim(id); c == nil || !ok {
			t.Error("a call that is awaited could not be claimed")
			break
		}
	}
	close(quit)
	marking.Wait()
}
