package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
)

// listener is a runtime that notes the events of a topic.
type listener struct {
	rt   *handlers.Runtime
	mu   sync.Mutex
	seen []string
}

func (l *listener) events() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

func listen(t *testing.T, d handlers.Discovery, instance string) *listener {
	t.Helper()
	l := &listener{}
	rt, err := handlers.New(handlers.Options{
		Service: "news", Instance: instance, Discovery: d,
		Subscriptions: map[string]func(nanobus.Event){"said": func(e nanobus.Event) {
			if string(e.Payload) == "panic" {
				panic("in a subscriber")
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seen = append(l.seen, string(e.Payload))
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.rt = rt
	testutil.Start(t, instance, func(ctx context.Context) error { return rt.Run(ctx, handlers.HandlerFunc(ok)) })
	return l
}

// Two that listen to each other dial each other: there are two links, and
// each event must pass one of them.
func TestRuntime_EventsExactlyOnce(t *testing.T) {
	d := handlertest.NewDiscovery()
	a, b := listen(t, d, "a"), listen(t, d, "b")
	for _, l := range []*listener{a, b} {
		testutil.Eventually(t, "both linked, both ways", func() bool {
			links := l.rt.Links()
			return len(links) == 1 && links[0].State == "live"
		})
	}
	testutil.Eventually(t, "each reaches two", func() bool {
		na, _ := a.rt.Publish("said", []byte("hello?"))
		nb, _ := b.rt.Publish("said", []byte("hello?"))
		return na == 2 && nb == 2
	})
	var want []string
	for i := range 50 {
		for _, l := range []*listener{a, b} {
			text := fmt.Sprintf("%s %d", l.rt.Instance(), i)
			want = append(want, text)
			if n, err := l.rt.Publish("said", []byte(text)); n != 2 || err != nil {
				t.Fatalf("published to %d: %v", n, err)
			}
		}
	}
	// A link keeps the order, so whatever came before these has come.
	for _, l := range []*listener{a, b} {
		if _, err := l.rt.Publish("said", []byte("panic")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.rt.Publish("said", []byte("last")); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	for _, l := range []*listener{a, b} {
		count := func(text string) (n int) {
			for _, s := range l.events() {
				if s == text {
					n++
				}
			}
			return n
		}
		testutil.Eventually(t, "the last of both", func() bool { return count("last") == 2 })
		got := slices.DeleteFunc(l.events(), func(s string) bool { return s == "hello?" || s == "last" })
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s saw %d events, want %d, each once: %v", l.rt.Instance(), len(got), len(want), got)
		}
	}
}

func TestRuntime_PublishRefuses(t *testing.T) {
	l := listen(t, handlertest.NewDiscovery(), "a")
	if _, err := l.rt.Publish("a topic with spaces", nil); err == nil {
		t.Error("a bad topic was taken")
	}
	if _, err := l.rt.Publish("said", make([]byte, 2<<20)); err == nil {
		t.Error("a payload of 2 MiB was taken")
	}
	if n, err := l.rt.Publish("nobody.listens", nil); n != 0 || err != nil {
		t.Errorf("a topic that nobody wants: %d, %v", n, err)
	}
}
