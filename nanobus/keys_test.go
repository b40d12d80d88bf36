package nanobus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// A weight that changes takes effect on the links that there are.
func TestService_WeightChangesWithoutRelinking(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	s := b.Service("s")
	l1, l2 := linkTo(t, b, "1"), linkTo(t, b, "2")
	ask := func(n int, key func(int) uint64) {
		t.Helper()
		for i := range n {
			c := NewCall()
			c.Key = key(i)
			if err := s.Go(c, Bytes("x"), patience); err != nil {
				t.Fatal(err)
			}
			c.Wait()
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			c.Release()
			if c.Key != 0 {
				t.Fatal("Release keeps the key")
			}
		}
	}
	none := func(int) uint64 { return 0 }
	some := func(i int) uint64 { return uint64(i + 1) }
	weigh := func(w1, w2 int) {
		t.Helper()
		in1.Weight, in2.Weight = w1, w2
		if err := b.SetInstances([]Instance{in1, in2}); err != nil {
			t.Fatal(err)
		}
	}
	weigh(NoWeight, 0)
	ask(100, none)
	ask(100, some)
	if got := l1.Target.Replies(); got != 0 {
		t.Errorf("an instance that is taken out got %d requests", got)
	}
	if n := s.Live(); n != 1 {
		t.Errorf("%d live: want 1", n)
	}
	for _, l := range b.Links() {
		if want := map[string]int{"1": 0, "2": DefaultWeight}[l.Instance]; l.Weight != want || l.State != "live" {
			t.Errorf("link to %s: weight %d, %s: want %d, live", l.Instance, l.Weight, l.State, want)
		}
	}
	weigh(NoWeight, NoWeight)
	if _, err := call(t, b, "x", patience); !errors.Is(err, ErrNoInstance) {
		t.Errorf("all taken out: got %v", err)
	}
	weigh(900, 100)
	before := l2.Target.Replies()
	ask(400, some)
	if got := l2.Target.Replies() - before; got < 10 || got > 90 {
		t.Errorf("a weight of 100 beside 900 got %d of 400 keys", got)
	}
	if linkTo(t, b, "1") != l1 || linkTo(t, b, "2") != l2 || b.node.Metrics.Opened.Value() != 2 {
		t.Error("linked anew")
	}
}

func TestService_DrainingGetsNoKeys(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	b2, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	s := b.Service("s")
	s.UseKeys()
	ctx := t.Context()
	drained := make(chan error, 1)
	go func() { drained <- b2.Drain(ctx) }()
	waitFor(t, "the caller knows", func() bool { return s.Live() == 1 })
	for key := uint64(1); key <= 200; key++ {
		c := NewCall()
		c.Key = key
		if err := s.Go(c, Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil || c.Link.Instance.ID != "1" {
			t.Fatalf("key %d: %v from %s", key, c.Err, c.Link.Instance.ID)
		}
		c.Release()
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// Calls of GoAll go each to the instance of its key, and one message each.
func TestService_GoAllByKey(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	_, in3 := server(t, "3", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2, in3)
	s := b.Service("s")
	var calls []*Call
	var payloads []Payload
	for i := range 60 {
		c := NewCall()
		c.Key = uint64(i/20) + 1 // three keys
		calls, payloads = append(calls, c), append(payloads, Bytes("x"))
	}
	// One at a time first: alone, each key is where it belongs.
	own := map[uint64]string{}
	for key := uint64(1); key <= 3; key++ {
		l, _, err := s.pick(key, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		own[key] = l.Instance.ID
		l.Target.Refund()
	}
	s.GoAll(calls, payloads, patience)
	home := 0
	for _, c := range calls {
		c.Wait()
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		if c.Link.Instance.ID == own[c.Key] {
			home++
		}
	}
	// Bounded loads send some elsewhere: 1.25 thirds stay at the least, if all
	// three keys belong to one.
	if home < 20 {
		t.Errorf("%d of 60 went where their key belongs", home)
	}
}

// Instances come and go, and change their weights, while many choose.
func TestService_ComingAndGoing(t *testing.T) {
	var list []Instance
	for i := range 4 {
		_, in := server(t, fmt.Sprint(i), Options{Serve: echo}, tcp)
		list = append(list, in)
	}
	b := caller(t, list...)
	s := b.Service("s")
	var stop atomic.Bool
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			c := NewCall()
			for i := uint64(1); !stop.Load(); i++ {
				c.Key = i * uint64(g%2) // half without
				err := s.Go(c, Bytes("x"), patience)
				if err == nil {
					c.Wait()
					err = c.Err
				}
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, ErrLinkDown), errors.Is(err, ErrNoInstance):
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
				c.Release()
			}
		})
	}
	for i := range 60 {
		now := slices.Clone(list)
		now[0].Weight = []int{0, NoWeight, 1000}[i%3]
		if i%4 == 3 {
			// Its link breaks, and it is gone from the list at the same time.
			linkTo(t, b, "3").Close("test")
			now = now[:3]
		}
		if err := b.SetInstances(now); err != nil {
			t.Fatal(err)
		}
		want := len(now)
		if now[0].Weight == NoWeight {
			want--
		}
		waitFor(t, "the view is as it should be", func() bool { return s.Live() == want })
		_ = b.Links()
		more := answered.Load() + 50
		waitFor(t, "requests go on", func() bool { return answered.Load() > more })
	}
	stop.Store(true)
	wg.Wait()
	for _, l := range b.Links() {
		if l.InFlight != 0 {
			t.Errorf("%d credits of %s are lost", l.InFlight, l.Instance)
		}
	}
	t.Logf("%d answered, %d not", answered.Load(), refused.Load())
}
