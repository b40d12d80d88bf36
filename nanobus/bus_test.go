package nanobus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBus_RequestReply(t *testing.T) {
	for _, addr := range []string{tcp, "ipc://" + filepath.Join(t.TempDir(), "s.sock")} {
		_, in := server(t, "1", Options{Serve: echo}, addr)
		b := caller(t, in)
		for _, size := range []int{0, 1, 100, 4096, 65536, 900_000, MaxPayload} {
			want := string(bytes.Repeat([]byte{'x'}, size))
			if got, err := call(t, b, want, patience); err != nil || got != want {
				t.Errorf("%s: %d bytes: got %d bytes, %v", addr, size, len(got), err)
			}
		}
	}
}

func TestBus_PayloadTooLarge(t *testing.T) {
	_, in := server(t, "1", Options{Serve: func(batch []*Request) {
		for _, r := range batch {
			if err := r.Reply(Bytes(make([]byte, MaxFrame))); !errors.Is(err, ErrTooLarge) {
				t.Errorf("reply: got %v", err)
			}
		}
	}}, tcp)
	b := caller(t, in)
	if _, err := call(t, b, string(make([]byte, MaxFrame)), patience); !errors.Is(err, ErrTooLarge) {
		t.Errorf("request: got %v", err)
	}
	_, err := call(t, b, "", patience)
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.Code != CodeTooLarge {
		t.Errorf("reply: got %v", err)
	}
	if n := b.Service("s").bus.Links()[0].InFlight; n != 0 {
		t.Errorf("%d credits lost", n)
	}
}

func TestBus_ManyConcurrentCallers(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: func(batch []*Request) {
		batch = append([]*Request(nil), batch...)
		go echo(batch)
	}}, tcp)
	b := caller(t, in1, in2)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf("%d/%d", g, i)
				if got, err := call(t, b, want, patience); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	var replies uint64
	for _, l := range b.Links() {
		if l.InFlight != 0 {
			t.Errorf("%s: %d credits lost", l.Instance, l.InFlight)
		}
		if l.Replies == 0 {
			t.Errorf("%s got nothing", l.Instance)
		}
		replies += l.Replies
	}
	if replies != 64*200 {
		t.Errorf("%d replies counted, %d sent", replies, 64*200)
	}
	if n := b.node.Calls.Table.Used.Load(); n != 0 {
		t.Errorf("%d slots lost", n)
	}
}

func TestBus_NoInstance(t *testing.T) {
	b := newBus(t, Options{})
	if _, err := call(t, b, "", patience); !errors.Is(err, ErrNoInstance) {
		t.Errorf("got %v", err)
	}
}

// held is a server that keeps requests until it is told to answer.
type held struct {
	mu   sync.Mutex
	reqs []*Request
}

func (h *held) serve(batch []*Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reqs = append(h.reqs, batch...)
}

func (h *held) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.reqs)
}

func (h *held) answer() { h.each(func(r *Request) { _ = r.Reply(Bytes("late")) }) }

// each hands out what is held, to be answered.
func (h *held) each(answer func(r *Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.reqs {
		answer(r)
	}
	h.reqs = nil
}

func TestBus_WindowIsNeverExceeded(t *testing.T) {
	var h held
	_, in := server(t, "1", Options{Serve: h.serve, Window: 4}, tcp)
	b := caller(t, in)
	var calls []*Call
	for range 4 {
		c := NewCall()
		if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	if err := b.Service("s").Go(NewCall(), Bytes("x"), patience); !errors.Is(err, ErrNoCredit) {
		t.Errorf("fifth: got %v, want %v", err, ErrNoCredit)
	}
	waitFor(t, "four requests at the server", func() bool { return h.count() == 4 })
	h.answer()
	for _, c := range calls {
		c.Wait()
		if c.Err != nil {
			t.Error(c.Err)
		}
		c.Release()
	}
	if err := b.Service("s").Go(NewCall(), Bytes("x"), patience); err != nil {
		t.Errorf("after the replies: %v", err)
	}
	waitFor(t, "the fifth", func() bool { return h.count() == 1 })
	h.answer()
}

func TestBus_WindowIsSharedByCallers(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo, Window: 100}, tcp)
	b1 := caller(t, in)
	if w := b1.Links()[0].Window; w != 100 {
		t.Errorf("one caller: window %d", w)
	}
	b2 := caller(t, in)
	waitFor(t, "half each", func() bool { return b1.Links()[0].Window == 50 && b2.Links()[0].Window == 50 })
	_ = b2.Close()
	waitFor(t, "all for the one that stayed", func() bool { return b1.Links()[0].Window == 100 })
}

func TestBus_TimeoutKeepsTheCreditUntilTheReply(t *testing.T) {
	var h held
	_, in := server(t, "1", Options{Serve: h.serve, Window: 1}, tcp)
	b := caller(t, in)
	start := time.Now()
	if _, err := call(t, b, "x", 50*time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(start); d < 50*time.Millisecond || d > patience/2 {
		t.Errorf("timed out after %v", d)
	}
	if _, err := call(t, b, "x", patience); !errors.Is(err, ErrNoCredit) {
		t.Errorf("the server is still at it: got %v", err)
	}
	waitFor(t, "cancel at the server", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.reqs) == 1 && h.reqs[0].Cancelled() && h.reqs[0].Context().Err() == context.Canceled
	})
	h.answer()
	waitFor(t, "late reply counted", func() bool { return b.node.Metrics.DroppedLate.Value() == 1 })
	if n := b.Links()[0].InFlight; n != 0 {
		t.Errorf("%d credits lost", n)
	}
}

func TestBus_AbortTellsThePeer(t *testing.T) {
	done := make(chan error, 1)
	_, in := server(t, "1", Options{Serve: func(batch []*Request) {
		r := batch[0]
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			done <- ctx.Err()
			r.ReplyError(CodeCancelled, "")
		}()
	}}, tcp)
	b := caller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	if !b.Abort(c.ID()) {
		t.Error("nothing to abort")
	}
	c.Wait()
	if !errors.Is(c.Err, ErrCancelled) {
		t.Errorf("got %v", c.Err)
	}
	if b.Abort(c.ID()) {
		t.Error("aborted twice")
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("handler's context: %v", err)
	}
}

func TestBus_LinkDownEndsCallsAndRecovers(t *testing.T) {
	var h held
	s, in := server(t, "1", Options{Serve: h.serve}, "tcp://"+freeAddr(t))
	b := caller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "request at the server", func() bool { return h.count() == 1 })
	_ = s.Close()
	c.Wait()
	if !errors.Is(c.Err, ErrLinkDown) {
		t.Errorf("got %v", c.Err)
	}
	waitFor(t, "no live instance", func() bool { return b.Service("s").Live() == 0 })
	s2 := newBus(t, Options{Service: "s", Instance: "1", Serve: echo})
	if _, err := s2.Listen(in.Address); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "linked again", func() bool { return b.Service("s").Live() == 1 })
	if got, err := call(t, b, "hi", patience); err != nil || got != "hi" {
		t.Errorf("got %q, %v", got, err)
	}
	h.answer()
}

func TestBus_RemovedInstanceIsLetGo(t *testing.T) {
	s, in := server(t, "1", Options{Serve: echo}, tcp)
	b := caller(t, in)
	if err := b.SetInstances(nil); err != nil {
		t.Fatal(err)
	}
	if n := b.Service("s").Live(); n != 1 {
		t.Errorf("a live link was let go at once: %d live", n)
	}
	_ = s.Close()
	waitFor(t, "dialer gone", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.instances) == 0
	})
}

func TestBus_DrainLosesNothing(t *testing.T) {
	s, in := server(t, "1", Options{Serve: func(batch []*Request) {
		batch = append([]*Request(nil), batch...)
		go echo(batch)
	}}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in, in2)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := call(t, b, "x", patience); err != nil {
					t.Error(err)
				}
			}
		})
	}
	waitFor(t, "traffic", func() bool { return b.node.Metrics.Calls.Value() > 1000 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Error(err)
	}
	waitFor(t, "all answered", func() bool { return s.Served() == 0 })
	_ = s.Close()
	n := b.node.Metrics.Calls.Value()
	waitFor(t, "traffic goes on", func() bool { return b.node.Metrics.Calls.Value() > n+1000 })
	stop.Store(true)
	wg.Wait()
}

func TestBus_ExpiredBudgetReachesTheHandler(t *testing.T) {
	got := make(chan time.Duration, 1)
	_, in := server(t, "1", Options{Serve: func(batch []*Request) {
		got <- batch[0].Remaining()
		echo(batch)
	}}, tcp)
	b := caller(t, in)
	if _, err := call(t, b, "x", patience); err != nil {
		t.Fatal(err)
	}
	if d := <-got; d <= 0 || d > patience {
		t.Errorf("remaining budget %v of %v", d, patience)
	}
}

func TestBus_TimingAddsUp(t *testing.T) {
	clock := make(chan *Bus, 1)
	srv, in := server(t, "1", Options{Serve: func(batch []*Request) {
		for _, r := range batch {
			at := <-clock
			r.Start(at.Now())
			clock <- at
			t0 := time.Now()
			for time.Since(t0) < 3*time.Millisecond { // work, not a wait
			}
			_ = r.Reply(Bytes("x"))
		}
	}}, tcp)
	clock <- srv
	b := caller(t, in)
	waitFor(t, "clock offset", func() bool {
		for _, l := range b.snapshotLinks() {
			if !l.PeerClock.Known.Load() {
				return false
			}
		}
		return true
	})
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	tm := c.Timing
	if sum := tm.Queue + tm.BusOut + tm.HandlerQueue + tm.Handler + tm.BusBack; sum != tm.Total {
		t.Errorf("stages %+v add up to %v, total %v", tm, sum, tm.Total)
	}
	if tm.Handler < 2900*time.Microsecond {
		t.Errorf("handler worked 3 ms, said %v", tm.Handler)
	}
}

func TestBus_WrongServiceAtTheAddress(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	in.Service = "other"
	b := newBus(t, Options{})
	if err := b.SetInstances([]Instance{in}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "refused", func() bool { return b.node.Metrics.DroppedMalformed.Value() > 0 })
	if n := b.Service("other").Live(); n != 0 {
		t.Errorf("%d live", n)
	}
}

func TestBus_CloseEndsCalls(t *testing.T) {
	var h held
	_, in := server(t, "1", Options{Serve: h.serve}, tcp)
	b := caller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	_ = b.Close()
	c.Wait()
	if !errors.Is(c.Err, ErrClosed) {
		t.Errorf("got %v", c.Err)
	}
	h.answer()
}

func TestOptions_BadOnesAreNamed(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Window: -1}, "nanobus: window -1: want 1 to 65536"},
		{Options{Window: 1 << 20}, "nanobus: window 1048576: want 1 to 65536"},
		{Options{Slots: -1}, "nanobus: slots -1: want 1 to 1048576"},
		{Options{Service: string(make([]byte, 256))}, "nanobus: service name of 256 bytes: want at most 255"},
		{Options{Subscriptions: map[string]func(Event){"a b": nil}}, `nanobus: topic "a b": want 1 to 255 printable ASCII bytes without spaces`},
	} {
		if _, err := New(c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	b := newBus(t, Options{})
	for addr, want := range map[string]string{
		"udp://x:1":                          `nanobus: address "udp://x:1": want tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH`,
		"tcp://nowhere":                      `nanobus: address "tcp://nowhere": want tcp://HOST:PORT`,
		"ipc:///" + strings.Repeat("x", 107): `nanobus: address "ipc:///` + strings.Repeat("x", 107) + `": the path has 108 bytes, a socket's at most 107: choose a shorter one`,
		"ipc://":                             `nanobus: address "ipc://": want ipc:///PATH`,
		"127.0.0.1:8000":                     `nanobus: address "127.0.0.1:8000": want tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH`,
	} {
		if _, err := b.Listen(addr); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	if _, err := b.Listen(in.Address); err == nil {
		t.Error("listening twice on one address")
	}
}
