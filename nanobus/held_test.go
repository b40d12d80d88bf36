package nanobus

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/nanobus/wire"
)

// keeper is a Holder that notes what it is told.
type keeper struct {
	mu      sync.Mutex
	answers map[uint64]string
	most    int // answers at once
	down    []*Link
}

func (k *keeper) Answered(batch []HeldAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answers == nil {
		k.answers = make(map[uint64]string)
	}
	k.most = max(k.most, len(batch))
	for i := range batch {
		text := string(batch[i].Payload)
		if batch[i].Err != nil {
			text = batch[i].Err.Error()
		}
		k.answers[batch[i].ID] = text
	}
}

func (k *keeper) LinkDown(l *Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = append(k.down, l)
}

func (k *keeper) answer(id uint64) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.answers[id]
}

// holding is a responder that holds what it is asked, and what it holds.
type holding struct {
	mu   sync.Mutex
	held []*Held
	gone atomic.Int32
	errs []error
}

func (h *holding) serve(batch []*Request) {
	for _, r := range batch {
		held, err := r.Hold(Bytes("nothing"), time.Minute, func() { h.gone.Add(1) })
		h.mu.Lock()
		if err != nil {
			h.errs = append(h.errs, err)
			_ = r.Reply(Bytes("at once"))
		} else {
			h.held = append(h.held, held)
		}
		h.mu.Unlock()
	}
}

func (h *holding) all() []*Held {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Held(nil), h.held...)
}

func holdingPair(t *testing.T, o Options) (h *holding, server1, caller1 *Bus, k *keeper) {
	t.Helper()
	h, k = &holding{}, &keeper{}
	o.Serve = h.serve
	srv, in := server(t, "1", o, "tcp://127.0.0.1:0")
	c := newBus(t, Options{Service: "caller", Instance: "c", Holder: k})
	linkUp(t, c, in)
	return h, srv, c, k
}

func TestHold_GivesCreditAndSlotBack(t *testing.T) {
	const n, window = 500, 16
	h, srv, b, k := holdingPair(t, Options{Window: window})
	var ids []uint64
	for range n { // each would take a sixteenth of the window
		c := NewCall()
		if err := b.Service("s").Go(c, Bytes("hello"), patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil || !c.Held || c.HoldFor != time.Minute || string(c.Payload) != "nothing" {
			t.Fatalf("%v, held %v for %v, %q", c.Err, c.Held, c.HoldFor, c.Payload)
		}
		if c.Timing.Total <= 0 || c.Timing.Total > patience {
			t.Fatalf("took %v", c.Timing.Total)
		}
		ids = append(ids, c.ID())
		c.Release()
		if c.Held || c.HoldFor != 0 {
			t.Fatal("released, and still held")
		}
	}
	if got := srv.Held(); got != n {
		t.Errorf("%d are held, want %d", got, n)
	}
	if got := srv.Served(); got != 0 {
		t.Errorf("%d requests are at work", got)
	}
	for l := range b.links {
		if l.InFlight() != 0 || b.node.Calls.Table.Used.Load() != 0 {
			t.Errorf("%d in flight, %d slots", l.InFlight(), b.node.Calls.Table.Used.Load())
		}
	}
	for i, held := range h.all() {
		if err := held.Answer(Bytes(fmt.Sprint("answer ", i))); err != nil {
			t.Fatal(err)
		}
		if err := held.Answer(Bytes("again")); !errors.Is(err, ErrNotHeld) {
			t.Fatalf("a second answer: %v", err)
		}
	}
	for i, id := range ids {
		want := fmt.Sprint("answer ", i)
		waitFor(t, want, func() bool { return k.answer(id) == want })
	}
	if k.most > 64 {
		t.Errorf("%d answers at once", k.most)
	}
	if h.gone.Load() != 0 || srv.Held() != 0 {
		t.Errorf("%d told to be gone, %d still held", h.gone.Load(), srv.Held())
	}
	// What was held has taken no credit along.
	for l := range b.links {
		if l.InFlight() != 0 {
			t.Errorf("%d in flight", l.InFlight())
		}
	}
}

func TestHold_Cancel(t *testing.T) {
	h, srv, b, _ := holdingPair(t, Options{})
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("hello"), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if b.Abort(c.ID()) {
		t.Error("a call that is held is still under way")
	}
	c.Link.CancelHeld(c.ID())
	waitFor(t, "told", func() bool { return h.gone.Load() == 1 })
	if err := h.all()[0].Answer(Bytes("late")); !errors.Is(err, ErrNotHeld) {
		t.Errorf("an answer to a caller that has gone: %v", err)
	}
	c.Link.CancelHeld(c.ID()) // what isn't known is ignored
	if got, err := call(t, b, "x", patience); err != nil || got != "nothing" || srv.Held() != 1 {
		t.Errorf("%q, %v, %d held", got, err, srv.Held())
	}
}

func TestHold_LinkDown(t *testing.T) {
	h, srv, b, k := holdingPair(t, Options{})
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("hello"), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if c.Link.Down() {
		t.Error("the link is down")
	}
	_ = srv.Close()
	waitFor(t, "both sides told", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return h.gone.Load() == 1 && len(k.down) > 0 && k.down[0] == c.Link
	})
	if !c.Link.Down() || srv.Held() != 0 {
		t.Errorf("down %v, %d held", c.Link.Down(), srv.Held())
	}
	if err := h.all()[0].Answer(Bytes("late")); err == nil {
		t.Error("an answer on a link that has gone")
	}
}

func TestHold_Bounds(t *testing.T) {
	h, srv, b, _ := holdingPair(t, Options{MaxHeld: 2})
	for _, want := range []string{"nothing", "nothing", "at once", "at once"} {
		if got, err := call(t, b, "x", patience); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if len(h.errs) != 2 || !errors.Is(h.errs[0], ErrTooManyHeld) || srv.Held() != 2 {
		t.Errorf("%v, %d held", h.errs, srv.Held())
	}
}

func TestHold_NotForThoseWhoDontKnow(t *testing.T) {
	h := &holding{}
	srv, in := server(t, "1", Options{Serve: h.serve}, "tcp://127.0.0.1:0")
	b := caller(t, in)
	if got, err := call(t, b, "x", patience); err != nil || got != "at once" {
		t.Errorf("%q, %v", got, err)
	}
	if len(h.errs) != 1 || !errors.Is(h.errs[0], ErrNoHolds) || srv.Held() != 0 {
		t.Errorf("%v, %d held", h.errs, srv.Held())
	}
}

func TestHold_TooLarge(t *testing.T) {
	h, _, b, k := holdingPair(t, Options{})
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes("hello"), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := h.all()[0].Answer(make(Bytes, wire.MaxFrame)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	waitFor(t, "an error", func() bool { return k.answer(c.ID()) != "" })
}
