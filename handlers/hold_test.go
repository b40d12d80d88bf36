package handlers_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// answers is a nanobus.Holder that notes what is answered.
type answers struct {
	mu   sync.Mutex
	text map[uint64]string
}

func (a *answers) Answered(batch []nanobus.HeldAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		var r httpmsg.Response
		if r.Decode(batch[i].Payload) == nil {
			a.text[batch[i].ID] = string(r.Body)
		}
	}
}

func (*answers) LinkDown(*nanobus.Link) {}

func (a *answers) get(id uint64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text[id]
}

// holder links a caller that takes holds in place of b's.
func (b *backend) holder(t *testing.T) *answers {
	t.Helper()
	a := &answers{text: make(map[uint64]string)}
	bus, err := nanobus.New(nanobus.Options{Service: "front", Instance: "front-1", Bodies: true, Holder: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	if err := bus.SetInstances([]nanobus.Instance{{Service: "work", ID: "work-1", Address: b.bus.Links()[0].Address}}); err != nil {
		t.Fatal(err)
	}
	b.bus, b.svc = bus, bus.Service("work")
	testutil.Eventually(t, "a link", func() bool { return b.svc.Live() == 1 })
	return a
}

// keeping holds what it is asked, and says at once what can't be held.
type keeping struct {
	held chan *handlers.Held
	errs chan error
}

func newKeeping() *keeping {
	return &keeping{held: make(chan *handlers.Held, 100), errs: make(chan error, 100)}
}

func (k *keeping) note(h *handlers.Held, err error) {
	if err != nil {
		k.errs <- err
	} else {
		k.held <- h
	}
}

func (k *keeping) Serve(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
	_, _ = resp.WriteString("nothing")
	h, err := resp.Hold(time.Minute)
	k.note(h, err)
	if string(req.Path) == "/twice" {
		_, err = resp.Hold(time.Minute)
		k.errs <- err
	}
	if string(req.Path) == "/panic" {
		panic("after the hold")
	}
	return nil
}

func text(s string) *handlers.Response {
	var r handlers.Response
	_, _ = r.WriteString(s)
	return &r
}

// asBatch is k as a BatchHandler, asStream as a StreamHandler.
func (k *keeping) asBatch(batch []*handlers.Exchange) {
	for _, x := range batch {
		_, _ = x.Response().WriteString("nothing")
		h, err := x.Hold(time.Minute)
		k.note(h, err)
		if err != nil {
			x.Done()
		}
	}
}

func (k *keeping) asStream(x *handlers.Exchange) error {
	_, _ = x.Response().WriteString("nothing")
	h, err := x.Hold(time.Minute)
	k.note(h, err)
	return nil
}

func TestHold_AllKindsOfHandlers(t *testing.T) {
	k := newKeeping()
	for name, c := range map[string]struct {
		opts handlers.Options
		h    any
	}{
		"handler": {handlers.Options{Workers: 1}, k},
		"batch":   {handlers.Options{}, handlers.BatchFunc(k.asBatch)},
		"inline":  {handlers.Options{Inline: true}, handlers.BatchFunc(k.asBatch)},
		"stream":  {handlers.Options{Bodies: true, Workers: 1}, handlers.StreamFunc(k.asStream)},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, c.opts, c.h)
			a := b.holder(t)
			for range 5 {
				call := b.begin(t, "/", testutil.Patience)
				call.Wait()
				if !call.Held || call.HoldFor != time.Minute || call.Err != nil {
					t.Fatalf("held %v for %v, %v", call.Held, call.HoldFor, call.Err)
				}
				h := <-k.held
				select {
				case <-h.Gone():
					t.Fatal("gone")
				default:
				}
				if err := h.Answer(text("here")); err != nil {
					t.Fatal(err)
				}
				<-h.Gone()
				if err := h.Answer(text("again")); !errors.Is(err, handlers.ErrNotHeld) {
					t.Errorf("a second answer: %v", err)
				}
				testutil.Eventually(t, "the answer", func() bool { return a.get(call.ID()) == "here" })
			}
			if n := b.count(metrics.HandlerHeld); n != 5 {
				t.Errorf("%d counted", n)
			}
			if n := b.count(metrics.HandlerResponses, "2xx"); n != 5 {
				t.Errorf("%d responses", n)
			}
		})
	}
}

func TestHold_Gone(t *testing.T) {
	k := newKeeping()
	b := serve(t, handlers.Options{}, k)
	b.holder(t)
	call := b.begin(t, "/", testutil.Patience)
	call.Wait()
	h := <-k.held
	told := make(chan struct{}, 2)
	h.OnGone(func() { told <- struct{}{} })
	call.Link.CancelHeld(call.ID())
	<-told
	<-h.Gone()
	if err := h.Answer(text("late")); !errors.Is(err, handlers.ErrNotHeld) {
		t.Errorf("%v", err)
	}
	h.OnGone(func() { told <- struct{}{} }) // too late to be told, so at once
	<-told
}

func TestHold_Refused(t *testing.T) {
	k := newKeeping()
	b := serve(t, handlers.Options{MaxHeld: 1}, k)
	// The harness' caller takes no holds: it is answered as usual.
	if a := b.get(t, "/"); a.body != "nothing" {
		t.Errorf("%v", a)
	}
	if err := <-k.errs; !errors.Is(err, handlers.ErrNoHolds) {
		t.Errorf("%v", err)
	}
	b.holder(t)
	b.begin(t, "/", testutil.Patience).Wait()
	if a := b.get(t, "/"); a.body != "nothing" {
		t.Errorf("%v", a)
	}
	if err := <-k.errs; !errors.Is(err, handlers.ErrTooManyHeld) {
		t.Errorf("%v", err)
	}
	var r handlers.Response
	if _, err := r.Hold(time.Second); err == nil {
		t.Error("held without a request")
	}
}

// TestHold_AfterTheHold: what a handler does then neither answers again nor holds again.
func TestHold_AfterTheHold(t *testing.T) {
	k := newKeeping()
	b := serve(t, handlers.Options{}, k)
	a := b.holder(t)
	for _, path := range []string{"/twice", "/panic"} {
		call := b.begin(t, path, testutil.Patience)
		call.Wait()
		if path == "/twice" && <-k.errs == nil {
			t.Error("held twice")
		}
		if err := (<-k.held).Answer(text(path)); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, path, func() bool { return a.get(call.ID()) == path })
	}
	if a := b.get(t, "/"); a.err != nil {
		t.Errorf("%v", a)
	}
}
