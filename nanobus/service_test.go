package nanobus

import (
	"testing"
	"time"
)

// linkTo returns the caller's link to an instance.
func linkTo(t *testing.T, b *Bus, id string) *Link {
	t.Helper()
	v := b.Service("s").live.Load()
	for i := range v.Len() {
		if l := linkOf(v.Target(i)); l.Instance.ID == id {
			return l
		}
	}
	t.Fatalf("no link to %s", id)
	return nil
}

// looksLike has the link's latency become d.
func looksLike(l *Link, d time.Duration) {
	for range 100 { // a moving average
		l.Target.Observe(d)
	}
}

func TestService_EqualsShareWhatComesOneByOne(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	l1, l2 := linkTo(t, b, "1"), linkTo(t, b, "2")
	const n = 400
	for range n {
		// A tenth apart: about equal.
		looksLike(l1, 1000*time.Microsecond)
		looksLike(l2, 1100*time.Microsecond)
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
	}
	if got := l2.Target.Replies(); got < n/4 || got > 3*n/4 {
		t.Errorf("the slightly slower of two got %d of %d", got, n)
	}
}

func TestService_SlowIsAvoidedAndRecovers(t *testing.T) {
	_, in1 := server(t, "1", Options{Serve: echo}, tcp)
	_, in2 := server(t, "2", Options{Serve: echo}, tcp)
	b := caller(t, in1, in2)
	l2 := linkTo(t, b, "2")
	looksLike(l2, 100*time.Millisecond)
	for range 100 {
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
	}
	if got := l2.Target.Replies(); got != 0 {
		t.Errorf("the slow one got %d of 100", got)
	}
	before := l2.Target.Latency()
	waitFor(t, "the slow one is tried again", func() bool {
		if _, err := call(t, b, "x", patience); err != nil {
			t.Fatal(err)
		}
		return l2.Target.Replies() > 0
	})
	if after := l2.Target.Latency(); after >= before {
		t.Errorf("latency %v after, %v before", after, before)
	}
}
