package profile

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// TestRole_EndsWhenItsStoreFails: the write is refused, and the process says
// why it ends.
func TestRole_EndsWhenItsStoreFails(t *testing.T) {
	var full atomic.Bool
	store, err := OpenPebble(PebbleOptions{
		Dir: "/data", CacheBytes: testCache, Logger: zerolog.Nop(),
		fs: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return errors.New("no space left on device")
			}
			return nil
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := handlertest.NewDiscovery()
	ho := handlers.Options{Service: Service, Instance: "p", Discovery: d, Metrics: metrics.New(metrics.Handler, "p"), DrainTimeout: testutil.Patience}
	role, err := newRole(ho, Options{Seed: 10, Writers: 4}, store)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- role.Run(context.Background()) }()
	c := handlertest.NewCaller(t, d, Service)
	if got := c.Must(t, Service, "PUT", "/profile/1", "{}", "if-match: *"); got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	full.Store(true)
	if got := c.Must(t, Service, "PUT", "/profile/1", "{}", "if-match: *"); got.Status != 503 {
		t.Errorf("got %d %s, want 503", got.Status, got.Body)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, ErrFailed) {
			t.Errorf("got %v", err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("the role goes on")
	}
}
