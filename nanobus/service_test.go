package nanobus

import (
	"testing"
	"time"
)

// linkTo returns the caller's link to an instance.
func linkTo(t *testing.T, b *Bus, id string) *Link {
	t.Helper()
	for _, m := range b.Service("s").live.Load().members {
		if m.link.instance.ID == id {
			return m.link
		}
	}
	t.Fatalf("no link to %s", id)
	return nil
}

func TestService_EqualsShareWhatComesOneByOne(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	l1, l2 := linkTo(t, b, "1"), linkTo(t, b, "2")
	const n = 400
	for range n {
		// A tenth apart: about equal.
		l1.latency.Store(int64(1000 * time.Microsecond))
		l2.latency.Store(int64(1100 * time.Microsecond))
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
	}
	if got := l2.replies.Load(); got < n/4 || got > 3*n/4 {
		t.Errorf("the slightly slower of two got %d of %d", got, n)
	}
}

func TestService_SlowIsAvoidedAndForgiven(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	l2 := linkTo(t, b, "2")
	l2.latency.Store(int64(100 * time.Millisecond))
	for range 100 {
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
	}
	if got := l2.replies.Load(); got != 0 {
		t.Errorf("the slow one got %d of 100", got)
	}
	before := l2.latency.Load()
	waitFor(t, "the slow one is tried again", func() bool {
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
		return l2.replies.Load() > 0
	})
	if after := l2.latency.Load(); after >= before {
		t.Errorf("latency %d after, %d before", after, before)
	}
}
