package nanobus

import (
	"errors"
	"sync"
	"testing"
)

func TestBus_EventsReachEverySubscriberOnce(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	note := func(who string) map[string]func(Event) {
		return map[string]func(Event){"news": func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			got[who+":"+string(e.Payload)]++
		}}
	}
	s1, in1 := server(t, "1", Options{Serve: echo, Subscriptions: note("1")}, tcp)
	s2, in2 := server(t, "2", Options{Serve: echo, Subscriptions: note("2")}, tcp)
	// Each dials the other: two links between the two.
	in1.EventsOnly, in2.EventsOnly = true, true
	if err := errors.Join(s1.SetInstances([]Instance{in2}), s2.SetInstances([]Instance{in1})); err != nil {
		t.Fatal(err)
	}
	greeted := func(b *Bus, n int) func() bool {
		return func() bool {
			k := 0
			for _, l := range b.snapshotLinks() {
				if l.Peer() != nil {
					k++
				}
			}
			return k == n
		}
	}
	waitFor(t, "both links of 1", greeted(s1, 2))
	waitFor(t, "both links of 2", greeted(s2, 2))
	if n, err := s1.Publish("news", []byte("a")); err != nil || n != 2 {
		t.Errorf("published to %d, %v", n, err)
	}
	if n, _ := s1.Publish("other", []byte("a")); n != 0 {
		t.Errorf("a topic that nobody wants was sent to %d", n)
	}
	waitFor(t, "both have it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got["1:a"] == 1 && got["2:a"] == 1
	})
	if n, _ := s2.Publish("news", []byte("b")); n != 2 {
		t.Errorf("published to %d", n)
	}
	waitFor(t, "the second too", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got["1:b"] == 1 && got["2:b"] == 1
	})
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 4 || got["1:a"] != 1 || got["2:a"] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestBus_PanickingSubscriberIsContained(t *testing.T) {
	seen := make(chan struct{}, 2)
	b := newBus(t, Options{Subscriptions: map[string]func(Event){"t": func(Event) {
		seen <- struct{}{}
		panic("oops")
	}}})
	for range 2 {
		if _, err := b.Publish("t", nil); err != nil {
			t.Fatal(err)
		}
		<-seen
	}
}
