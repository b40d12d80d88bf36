package handlers

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// poolPatience is far longer than anything here takes.
const poolPatience = time.Minute

// within fails the test if c isn't closed, or nothing comes, in time.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(poolPatience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

func exchanges(from, to int) []*Exchange {
	var xs []*Exchange
	for i := from; i < to; i++ {
		xs = append(xs, &Exchange{User: i})
	}
	return xs
}

func number(x *Exchange) int { return x.User.(int) } //nolint:forcetypeassert // set in exchanges

func closePool(t *testing.T, p *pool) {
	t.Helper()
	if n := p.close(poolPatience); n != 0 {
		t.Errorf("%d workers didn't end", n)
	}
}

func TestPool_BlockedHandlerDelaysNobody(t *testing.T) {
	release := make(chan struct{})
	done := make(chan int, 10)
	p := newPool(2, 1, func(batch []*Exchange) {
		if number(batch[0]) == 0 {
			<-release
		}
		done <- number(batch[0])
	})
	p.submit(exchanges(0, 1)) // blocks
	for i := 1; i < 10; i++ {
		p.submit(exchanges(i, i+1))
		if got := within(t, "a request behind a blocked one", done); got != i {
			t.Fatalf("got %d done, want %d", got, i)
		}
	}
	close(release)
	if got := within(t, "the blocked one", done); got != 0 {
		t.Fatalf("got %d, want 0", got)
	}
	closePool(t, p)
}

// One submit of many that block: each worker has to wake the next.
func TestPool_WakeChain(t *testing.T) {
	const n = 20
	var atWork atomic.Int32
	all := make(chan struct{})
	p := newPool(n, 1, func([]*Exchange) {
		if atWork.Add(1) == n {
			close(all)
		}
		<-all
	})
	for range 2 { // the second time all workers are parked already
		atWork.Store(0)
		all = make(chan struct{})
		p.submit(exchanges(0, n))
		within(t, "all requests at work at once", all)
		waitIdle(t, p, n)
	}
	closePool(t, p)
}

// waitIdle waits until n workers are parked.
func waitIdle(t *testing.T, p *pool, n int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%d workers are parked", n), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.idle == n
	})
}

func TestPool_BoundedWorkers(t *testing.T) {
	const workers, requests = 3, 60
	var atWork, peak, ran atomic.Int32
	release := make(chan struct{})
	p := newPool(workers, 1, func([]*Exchange) {
		n := atWork.Add(1)
		for {
			old := peak.Load()
			if n <= old || peak.CompareAndSwap(old, n) {
				break
			}
		}
		<-release
		atWork.Add(-1)
		ran.Add(1)
	})
	p.submit(exchanges(0, requests))
	testutil.Eventually(t, "all workers are at work", func() bool { return atWork.Load() >= workers })
	for range requests {
		release <- struct{}{}
	}
	closePool(t, p)
	if peak.Load() != workers || ran.Load() != requests {
		t.Errorf("%d at work at most, %d ran: want %d and %d", peak.Load(), ran.Load(), workers, requests)
	}
}

func TestPool_Batches(t *testing.T) {
	const most = 4
	gate := make(chan struct{})
	var got [][]int
	p := newPool(1, most, func(batch []*Exchange) {
		<-gate
		var ns []int
		for _, x := range batch {
			ns = append(ns, number(x))
		}
		got = append(got, ns)
	})
	p.submit(exchanges(0, 1))
	waitQueued(t, p, 0)
	p.submit(exchanges(1, 8)) // gathers while the first is at work
	p.submit(exchanges(8, 10))
	close(gate)
	closePool(t, p)
	next := 0
	for _, batch := range got {
		if len(batch) > most {
			t.Errorf("a batch of %d: want at most %d", len(batch), most)
		}
		for _, n := range batch {
			if n != next {
				t.Fatalf("got %v: want all, in their order", got)
			}
			next++
		}
	}
	if len(got) != 4 || len(got[1]) != most { // 1, 4, 4, 1
		t.Errorf("got %v: want what has gathered, 4 at a time", got)
	}
}

func waitQueued(t *testing.T, p *pool, n int) {
	t.Helper()
	testutil.Eventually(t, fmt.Sprintf("%d requests are queued", n), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.queue)-p.head == n
	})
}

func TestPool_CloseDrains(t *testing.T) {
	release := make(chan struct{})
	var ran atomic.Int32
	p := newPool(2, 1, func([]*Exchange) {
		<-release
		ran.Add(1)
	})
	p.submit(exchanges(0, 30))
	waitQueued(t, p, 28)
	closed := make(chan int)
	go func() { closed <- p.close(poolPatience) }()
	close(release)
	if n := within(t, "the pool's end", closed); n != 0 || ran.Load() != 30 {
		t.Errorf("%d workers left, %d of 30 ran", n, ran.Load())
	}
	if n := p.close(poolPatience); n != 0 {
		t.Errorf("closed once more: %d workers left", n)
	}
}

func TestPool_CloseDoesNotWaitForEver(t *testing.T) {
	release := make(chan struct{})
	p := newPool(3, 1, func([]*Exchange) { <-release })
	p.submit(exchanges(0, 2))
	waitQueued(t, p, 0)
	if n := p.close(10 * time.Millisecond); n != 2 {
		t.Errorf("%d workers left: want 2", n)
	}
	close(release)
	closePool(t, p)
}

// Whatever the interleaving, each runs exactly once.
func TestPool_Stress(t *testing.T) {
	const submitters, each = 8, 2000
	var ran [submitters * each]atomic.Int32
	p := newPool(5, 7, func(batch []*Exchange) {
		for _, x := range batch {
			ran[number(x)].Add(1)
		}
	})
	var wg sync.WaitGroup
	for s := range submitters {
		wg.Go(func() {
			for i := 0; i < each; {
				n := min(1+i%13, each-i)
				p.submit(exchanges(s*each+i, s*each+i+n))
				i += n
			}
		})
	}
	wg.Wait()
	closePool(t, p)
	for i := range ran {
		if n := ran[i].Load(); n != 1 {
			t.Fatalf("request %d ran %d times", i, n)
		}
	}
}
