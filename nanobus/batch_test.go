package nanobus

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// sizes is a server that answers, and notes how many requests each message had.
type sizes struct {
	mu   sync.Mutex
	seen []int
}

func (s *sizes) serve(batch []*Request) {
	s.mu.Lock()
	s.seen = append(s.seen, len(batch))
	s.mu.Unlock()
	echo(batch)
}

func (s *sizes) take() (seen []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, s.seen = s.seen, nil
	return seen
}

// replied waits for the calls and checks that each has its own reply.
func replied(t *testing.T, calls []*Call) {
	t.Helper()
	for i, c := range calls {
		c.Wait()
		if want := fmt.Sprint(i); c.Err != nil || string(c.Payload) != want {
			t.Errorf("call %d: got %q, %v", i, c.Payload, c.Err)
		}
		c.Release()
	}
}

// TestBatch_OneMessage: what is sent until Flush leaves as one message to each
// instance, and nothing before.
func TestBatch_OneMessage(t *testing.T) {
	for _, addr := range []string{tcp, "ipc://" + filepath.Join(t.TempDir(), "s.sock")} {
		var s sizes
		_, in := server(t, "1", Options{Serve: s.serve}, addr)
		b := caller(t, in)
		var batch Batch // its zero value
		batch.Flush()   // of nothing
		const n = 20
		// A ping, one a second, may take what waits with it: not every time.
		whole := false
		for range 5 {
			messages, frames := b.node.Metrics.MessagesOut.Value(), b.node.Metrics.FramesOut.Value()
			calls := make([]*Call, n)
			for i := range calls {
				calls[i] = NewCall()
				if err := batch.Go(b.Service("s"), calls[i], Bytes(fmt.Sprint(i)), 10*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			batch.Flush()
			replied(t, calls)
			batch.Flush() // once more, of nothing
			messages, frames = b.node.Metrics.MessagesOut.Value()-messages, b.node.Metrics.FramesOut.Value()-frames
			seen := s.take()
			if whole = slices.Equal(seen, []int{n}) && messages == 1 && frames == n; whole {
				break
			}
			t.Logf("%s: messages of %v requests; %d messages, %d frames sent", addr, seen, messages, frames)
		}
		if !whole {
			t.Errorf("%s: not once did %d requests leave as one message", addr, n)
		}
	}
}

// Batches to several instances, and larger than one message takes.
func TestBatch_ManyLinks(t *testing.T) {
	var instances []Instance
	for i := range 4 {
		_, in := server(t, fmt.Sprint(i), Options{Serve: echo, Window: 4096}, tcp)
		instances = append(instances, in)
	}
	b := newBus(t, Options{Service: "caller", Instance: "c", Slots: 8192})
	linkUp(t, b, instances...)
	var batch Batch
	pad := make([]byte, 1000)
	for range 3 {
		calls := make([]*Call, 1000)
		for i := range calls {
			calls[i] = NewCall()
			if err := batch.Go(b.Service("s"), calls[i], Bytes(append(fmt.Append(nil, i, "/"), pad...)), 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if len(batch.links) != len(instances) {
			t.Errorf("%d links have something, want %d, each once", len(batch.links), len(instances))
		}
		batch.Flush()
		for i, c := range calls {
			c.Wait()
			if want := fmt.Sprint(i, "/"); c.Err != nil || len(c.Payload) != len(want)+len(pad) || string(c.Payload[:len(want)]) != want {
				t.Errorf("call %d: got %.10q, %v", i, c.Payload, c.Err)
			}
			c.Release()
		}
	}
}

func TestBatch_Errors(t *testing.T) {
	var h held
	_, in := server(t, "1", Options{Serve: h.serve, Window: 2}, tcp)
	b := caller(t, in)
	s := b.Service("s")
	var batch Batch
	first, c := NewCall(), NewCall()
	if err := batch.Go(b.Service("none"), c, Bytes("x"), time.Second); !errors.Is(err, ErrNoInstance) {
		t.Errorf("no instance: got %v", err)
	}
	if err := batch.Go(s, c, Bytes(make([]byte, MaxFrame)), time.Second); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: got %v", err)
	}
	if len(batch.links) != 0 {
		t.Error("links are noted of what wasn't sent")
	}
	if err := batch.Go(s, first, Bytes("x"), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	second := NewCall()
	if err := batch.Go(s, second, Bytes("y"), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := batch.Go(s, c, Bytes("z"), 10*time.Second); !errors.Is(err, ErrNoCredit) {
		t.Errorf("at the window: got %v", err)
	}
	batch.Flush()
	waitFor(t, "both at the server", func() bool { return h.count() == 2 })
	h.answer()
	first.Wait()
	second.Wait()
	if first.Err != nil || second.Err != nil || b.Links()[0].InFlight != 0 {
		t.Errorf("got %v, %v; %d credits are out", first.Err, second.Err, b.Links()[0].InFlight)
	}
	_ = b.Close()
	if err := batch.Go(s, c, Bytes("x"), time.Second); err == nil {
		t.Error("sent on a bus that is closed")
	}
	batch.Flush()
}

// A link that dies with requests held for it ends them; Flush then does no
// harm, and the Batch goes on with others.
func TestBatch_LinkDies(t *testing.T) {
	s1, in := server(t, "1", Options{Serve: echo}, tcp)
	b := caller(t, in)
	var batch Batch
	for round := range 3 {
		c := NewCall()
		if err := batch.Go(b.Service("s"), c, Bytes("0"), 30*time.Second); err != nil {
			t.Fatal(err)
		}
		_ = s1.Close()
		// Unless a ping took it along, and it was answered.
		if c.Wait(); c.Err != nil && !errors.Is(c.Err, ErrLinkDown) {
			t.Errorf("round %d: got %v", round, c.Err)
		}
		waitFor(t, "the link to go", func() bool { return b.Service("s").Live() == 0 })
		if err := batch.Go(b.Service("s"), NewCall(), Bytes("0"), time.Second); !errors.Is(err, ErrNoInstance) {
			t.Errorf("round %d: without a link: got %v", round, err)
		}
		batch.Flush()
		s1 = newBus(t, Options{Service: "s", Instance: "1", Serve: echo})
		if _, err := s1.Listen(in.Address); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "linked again", func() bool { return b.Service("s").Live() == 1 })
		calls := []*Call{c}
		c.Release()
		if err := batch.Go(b.Service("s"), c, Bytes("0"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		batch.Flush()
		replied(t, calls)
	}
}

// TestBatch_AmongOthers: batches and single requests share links; nothing is
// left lying because each thinks that another sends it.
func TestBatch_AmongOthers(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var batch Batch
			for i := range 200 {
				calls := make([]*Call, 1+i%10)
				for i := range calls {
					calls[i] = NewCall()
					if err := batch.Go(b.Service("s"), calls[i], Bytes(fmt.Sprint(i)), 10*time.Second); err != nil {
						t.Error(err)
						return
					}
				}
				batch.Flush()
				replied(t, calls)
			}
		})
		wg.Go(func() {
			for i := range 500 {
				if got, err := call(t, b, fmt.Sprint(i), 10*time.Second); err != nil || got != fmt.Sprint(i) {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := b.node.Calls.Table.Used.Load(); n != 0 {
		t.Errorf("%d slots are in use", n)
	}
}

// TestBatch_RetryFromDone: a call may be sent again from its Done, which is on
// the goroutine that reads a link, or on that which ends it.
func TestBatch_RetryFromDone(t *testing.T) {
	both := make(chan struct{})
	refuse := func(batch []*Request) {
		<-both // a ping may take the requests along before they are flushed
		for _, r := range batch {
			r.ReplyError(CodeDraining, "")
		}
	}
	var h held
	for name, bad := range map[string]func([]*Request){"refused": refuse, "link down": h.serve} {
		t.Run(name, func(t *testing.T) {
			s1, in1 := server(t, "1", Options{Serve: bad}, tcp)
			_, in2 := server(t, "2", Options{Serve: echo}, tcp)
			b := caller(t, in1)
			const n = 50
			var ends, done atomic.Int32
			var batch Batch
			for i := range n {
				c, want := NewCall(), fmt.Sprint(i)
				c.Done = func(c *Call) {
					ends.Add(1)
					if c.Err != nil {
						if err := b.Service("s").Go(c, Bytes(want), 10*time.Second); err != nil {
							t.Errorf("once more: %v", err)
						}
						return
					}
					if string(c.Payload) != want {
						t.Errorf("got %q, want %s", c.Payload, want)
					}
					done.Add(1)
				}
				if err := batch.Go(b.Service("s"), c, Bytes(want), 10*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			// Not before: all of them are for the first.
			if err := b.SetInstances([]Instance{in1, in2}); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "both linked", func() bool { return b.Service("s").Live() == 2 })
			batch.Flush()
			if name == "refused" {
				close(both)
			} else {
				waitFor(t, "all at the first", func() bool { return h.count() == n })
				_ = s1.Close()
			}
			waitFor(t, "all to be answered by the second", func() bool { return done.Load() == n })
			if ends.Load() != 2*n {
				t.Errorf("%d calls ended, want %d: each twice", ends.Load(), 2*n)
			}
			if used := b.node.Calls.Table.Used.Load(); used != 0 {
				t.Errorf("%d slots are in use", used)
			}
		})
	}
	h.answer()
}

// In steady state a batch allocates nothing.
func TestBatch_NoAllocations(t *testing.T) {
	testutil.SkipIfRace(t)
	_, in := server(t, "1", Options{Serve: echoPointer}, tcp)
	b := caller(t, in)
	var batch Batch
	calls := make([]*Call, 16)
	for i := range calls {
		calls[i] = NewCall()
	}
	s, payload := b.Service("s"), &bytesPayload{b: make([]byte, 128)}
	one := func() {
		for _, c := range calls {
			if err := batch.Go(s, c, payload, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		batch.Flush()
		for _, c := range calls {
			if c.Wait(); c.Err != nil {
				t.Fatal(c.Err)
			}
			c.Release()
		}
	}
	for range 200 {
		one()
	}
	const n = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		one()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / n / float64(len(calls)); per > 0.1 {
		t.Errorf("%.2f allocations per request", per)
	}
}
