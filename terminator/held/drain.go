package held

import "time"

const (
	// drainEach is how far apart two answers are when all that is held is ended: a thousand clients
	// come back in a quarter of a second, twenty thousand in five.
	drainEach = 250 * time.Microsecond
	drainStep = 10 * time.Millisecond
)

// Drain ends all that is held, and what is to be held from now on, as if its time were up: spread,
// so that the clients don't all come back at once, over at most so long. It doesn't wait for that.
func (k *Keeper) Drain(most time.Duration) {
	k.mu.Lock()
	again := k.drained
	k.drained = true
	k.mu.Unlock()
	if again {
		return
	}
	k.draining.Store(true)
	n := k.table.Len()
	if n == 0 {
		return
	}
	steps := max(min(time.Duration(n)*drainEach, most)/drainStep, 1)
	each := (n + int(steps) - 1) / int(steps)
	k.tasks.Go(func() {
		ticker := time.NewTicker(drainStep)
		defer ticker.Stop()
		for {
			list := k.table.TakeSome(each)
			if len(list) == 0 {
				return
			}
			k.wakeAll(list, drained)
			select {
			case <-ticker.C:
			case <-k.stop:
				return
			}
		}
	})
}

// Close ends the keeper, which holds nothing any more, and waits for its goroutines. Idempotent.
func (k *Keeper) Close() {
	k.once.Do(func() { close(k.stop) })
	k.tasks.Wait()
}
