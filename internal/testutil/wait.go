package testutil

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Patience is how long the helpers wait before they give up: far longer than
// anything takes, even with the race detector on a loaded machine.
const Patience = time.Minute

// Eventually waits until cond holds, and fails the test if that takes longer
// than Patience. what is what is waited for, for the message.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	EventuallyIn(t, Patience, what, cond)
}

// EventuallyIn is Eventually with another patience.
func EventuallyIn(t testing.TB, patience time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// Work takes d, or until ctx ends, as a handler's or a database's work does, or the pace of a load.
// It is no way to wait for an outcome: that is Eventually's.
func Work(ctx context.Context, d time.Duration) {
	done := time.NewTimer(d)
	defer done.Stop()
	select {
	case <-done.C:
	case <-ctx.Done():
	}
}

// Start runs f until the test ends, or the function that it returns is called;
// either waits for f, and the test fails if f returned an error.
func Start(t testing.TB, name string, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(Patience):
			t.Errorf("%s: did not end within %v", name, Patience)
		}
	})
	t.Cleanup(stop)
	return stop
}
