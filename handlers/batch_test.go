package handlers_test

import (
	"sync/atomic"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// gathered serves with f, which gets n requests as one batch: a first request
// keeps the only worker busy until they are all there.
func gathered(t *testing.T, n int, f handlers.BatchFunc) (*backend, func(paths ...string) []answer) {
	t.Helper()
	gate, atWork := make(chan struct{}), make(chan struct{})
	b := serve(t, handlers.Options{Workers: 1}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		if pathOf(batch[0].Request()) == "/gate" {
			close(atWork)
			<-gate
			batch[0].Done()
			return
		}
		f(batch)
	}))
	return b, func(paths ...string) []answer {
		t.Helper()
		first := b.begin(t, "/gate", testutil.Patience)
		<-atWork
		var calls []*nanobus.Call
		for _, p := range paths {
			calls = append(calls, b.begin(t, p, testutil.Patience))
		}
		testutil.Eventually(t, "all there", func() bool { return b.count(metrics.HandlerRequests) == uint64(n+1) })
		// Counted just before they are queued: what is not queued yet makes a batch of its own.
		close(gate)
		end(t, first)
		var got []answer
		for _, c := range calls {
			got = append(got, end(t, c))
		}
		return got
	}
}

func TestRunBatch_AnyOrder(t *testing.T) {
	b, ask := gathered(t, 4, func(batch []*handlers.Exchange) {
		done := make(chan struct{})
		for i := len(batch) - 1; i >= 0; i-- {
			go func() {
				x := batch[i]
				x.Response().Body = append(x.Response().Body, x.Request().Path...)
				if i%2 == 0 {
					x.Done()
				} else {
					x.Fail(handlers.Status(418, "odd"))
				}
				done <- struct{}{}
			}()
		}
		for range batch {
			<-done
		}
	})
	for i, got := range ask("/0", "/1", "/2", "/3") {
		if got.err != nil || (got.status != 418 && got.body != "/"+string(rune('0'+i))) {
			t.Errorf("%d: got %v", i, got)
		}
	}
	if n := b.count(metrics.HandlerBatches); n < 2 {
		t.Errorf("%d batches counted", n)
	}
}

// A panic fails what was not finished, and nothing else.
func TestRunBatch_PanicKeepsTheFinished(t *testing.T) {
	b, ask := gathered(t, 4, func(batch []*handlers.Exchange) {
		var left []*handlers.Exchange
		for _, x := range batch {
			if pathOf(x.Request()) == "/good" {
				x.Done()
			} else {
				left = append(left, x)
			}
		}
		if len(left) > 0 {
			batch[0], batch[len(batch)-1] = batch[len(batch)-1], batch[0] // its order is the handler's
			panic("secret of the handler")
		}
	})
	for i, got := range ask("/good", "/bad", "/good", "/bad") {
		if i%2 == 0 && got.status != 200 || i%2 == 1 && got.code() != nanobus.CodeInternal {
			t.Errorf("%d: got %v", i, got)
		}
		noLeak(t, got, "secret")
	}
	if got := b.get(t, "/good"); got.status != 200 {
		t.Errorf("afterwards: got %v", got)
	}
	if n := b.count(metrics.HandlerPanics); n < 1 || n > 2 {
		t.Errorf("%d panics counted", n)
	}
	testutil.Eventually(t, "5xx counted", func() bool { return b.count(metrics.HandlerResponses, "5xx") == 2 })
}

// An exchange that was finished may be another request's by the time of the
// panic: that one must not be touched.
func TestRunBatch_PanicSparesTheRecycled(t *testing.T) {
	const others = 64
	var atWork atomic.Int32
	first, all := make(chan struct{}), make(chan struct{})
	b := serve(t, handlers.Options{}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		if pathOf(batch[0].Request()) == "/panic" {
			batch[0].Done() // its Exchange is free from here on
			close(first)
			<-all
			panic("after the last one was finished")
		}
		if atWork.Add(int32(len(batch))) == others {
			close(all)
		}
		<-all
		for _, x := range batch {
			x.Done()
		}
	}))
	if got := b.get(t, "/panic"); got.status != 200 {
		t.Fatalf("got %v", got)
	}
	<-first
	var calls []*nanobus.Call
	for range others {
		calls = append(calls, b.begin(t, "/wait", testutil.Patience))
	}
	for i, c := range calls {
		if got := end(t, c); got.status != 200 {
			t.Errorf("%d: got %v, want 200", i, got)
		}
	}
	testutil.Eventually(t, "the panic is counted", func() bool { return b.count(metrics.HandlerPanics) == 1 })
}

// What a handler started before it panicked may come back later. It must
// neither end the process nor meet another request.
func TestRunBatch_LateFinishAfterPanic(t *testing.T) {
	kept := make(chan *handlers.Exchange, 1)
	b := serve(t, handlers.Options{}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		if pathOf(batch[0].Request()) == "/panic" {
			kept <- batch[0]
			panic("with the exchange given away")
		}
		for _, x := range batch {
			_, _ = x.Response().Write(x.Request().Path)
			x.Done()
		}
	}))
	if got := b.get(t, "/panic"); got.code() != nanobus.CodeInternal {
		t.Fatalf("got %v, want %v", got, nanobus.CodeInternal)
	}
	x := <-kept
	if x.Context().Err() == nil || x.Remaining() != 0 {
		t.Errorf("context %v, remaining %v: want it ended", x.Context().Err(), x.Remaining())
	}
	for i := range 200 {
		switch i {
		case 50:
			_, _ = x.Response().WriteString("nobody's")
			x.Done()
		case 100:
			x.Fail(handlers.Status(400, "nobody's"))
		}
		if got := b.get(t, "/a"); got.status != 200 || got.body != "/a" {
			t.Fatalf("%d: got %v", i, got)
		}
	}
}

func TestRun_Panic(t *testing.T) {
	for name, value := range map[string]any{"string": "secret", "error": errSecret{}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, handlers.Options{}, panicking(value))
			for range 3 {
				got := b.get(t, "/panic")
				if got.code() != nanobus.CodeInternal {
					t.Errorf("got %v, want %v", got, nanobus.CodeInternal)
				}
				noLeak(t, got, "secret")
			}
			if got := b.get(t, "/a"); got.body != "/a" {
				t.Errorf("afterwards: got %v", got)
			}
			if n := b.count(metrics.HandlerPanics); n != 3 {
				t.Errorf("%d panics counted: want 3", n)
			}
			if log := b.log.String(); name != "nil" && !contains(log, "secret") || !contains(log, "harness_test.go") {
				t.Errorf("the log lacks the panic or its stack:\n%s", log)
			}
		})
	}
}

// Exchanges are finished once. The second time is the handler's fault and
// must not answer anybody else's request.
func TestExchange_FinishedTwice(t *testing.T) {
	b := serve(t, handlers.Options{Inline: true}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		for _, x := range batch {
			x.Done()
			if pathOf(x.Request()) == "" { // nothing of it is left
				x.Done()
			}
		}
	}))
	for range 3 {
		if got := b.get(t, "/a"); got.status != 200 {
			t.Errorf("got %v", got)
		}
	}
	testutil.Eventually(t, "it counts as a panic", func() bool { return b.count(metrics.HandlerPanics) == 3 })
}

func TestRunBatch_Inline(t *testing.T) {
	b := serve(t, handlers.Options{Inline: true}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		if len(batch) > 256 {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, x := range batch {
			if pathOf(x.Request()) == "/panic" {
				panic("inline")
			}
			_, _ = x.Response().Write(x.Request().Path)
			x.Done()
		}
	}))
	paths := make([]string, 700)
	for i := range paths {
		paths[i] = "/a"
	}
	for i, got := range b.all(t, paths...) {
		if got.body != "/a" {
			t.Fatalf("%d: got %v", i, got)
		}
	}
	if got := b.get(t, "/panic"); got.code() != nanobus.CodeInternal {
		t.Errorf("got %v, want %v", got, nanobus.CodeInternal)
	}
	if got := b.get(t, "/b"); got.body != "/b" {
		t.Errorf("afterwards: got %v", got)
	}
}

// Whatever of it has gathered reaches the handler at once, MaxBatch at a time.
func TestRunBatch_MaxBatch(t *testing.T) {
	var most atomic.Int32
	gate := make(chan struct{})
	b := serve(t, handlers.Options{Workers: 1, MaxBatch: 8}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		<-gate
		if n := int32(len(batch)); n > most.Load() {
			most.Store(n)
		}
		for _, x := range batch {
			x.Done()
		}
	}))
	var calls []*nanobus.Call
	for range 50 {
		calls = append(calls, b.begin(t, "/", testutil.Patience))
	}
	testutil.Eventually(t, "all there", func() bool { return b.count(metrics.HandlerRequests) == 50 })
	close(gate)
	for _, c := range calls {
		if got := end(t, c); got.status != 200 {
			t.Errorf("got %v", got)
		}
	}
	if most.Load() != 8 {
		t.Errorf("the largest batch had %d: want 8", most.Load())
	}
}

func TestExchange_Remaining(t *testing.T) {
	b := serve(t, handlers.Options{}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		for _, x := range batch {
			if left := x.Remaining(); left <= 0 || left > time.Minute {
				t.Errorf("%v remain of a minute", left)
			}
			if x.User != nil {
				t.Errorf("User is %v: want nil", x.User)
			}
			x.User = "used"
			x.Done()
		}
	}))
	for range 5 {
		end(t, b.begin(t, "/", time.Minute))
	}
}
