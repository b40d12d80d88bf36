package leader

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/internal/testutil"
)

func open(t *testing.T, s *embedded.Server) *etcd.Client {
	t.Helper()
	c, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{s.ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// One leads at a time: whoever comes second waits, takes over when the first steps back, and also
// when the first has lost its key; never do both.
func TestLeadership_OneAtATime(t *testing.T) {
	t.Parallel()
	s, err := embedded.StartServer(t.Context(), embedded.ServerOptions{
		DataDir: t.TempDir(), ClientURL: "http://" + testutil.FreeAddr(t), UnsafeNoFsync: true,
		Heartbeat: 20 * time.Millisecond, Election: 200 * time.Millisecond, StartTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, b := open(t, s), open(t, s)
	one := Stand(a, "sums", "one", zerolog.Nop())
	testutil.Eventually(t, "one leads", one.Held)
	two := Stand(b, "sums", "two", zerolog.Nop())
	var both atomic.Bool
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { // ends with over
		defer close(watched)
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for {
			if one.Held() && two.Held() {
				both.Store(true)
			}
			select {
			case <-look.C:
			case <-over:
				return
			}
		}
	}()
	testutil.Eventually(t, "two knows who leads", func() bool { return two.Leader() == "one" && !two.Held() })
	// Without its key, as after a loss of etcd's data, one steps back before two sends anything.
	if err := a.Do(t.Context(), func(ctx context.Context, cl *clientv3.Client) error {
		_, err := cl.Delete(ctx, a.Prefix()+"leaders/sums")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "somebody leads again", func() bool { return one.Held() || two.Held() })
	first, second := one, two
	if two.Held() {
		first, second = two, one
	}
	first.Close(t.Context())
	if first.Held() {
		t.Error("it leads after Close")
	}
	testutil.Eventually(t, "the other takes over", second.Held)
	second.Close(t.Context())
	close(over)
	<-watched
	if both.Load() {
		t.Error("both led at once")
	}
}

// A leader that is cut off from etcd, or whose machine slept, leads no longer than its lease.
func TestLeadership_EndsWithItsLease(t *testing.T) {
	now := time.Now()
	for name, l := range map[string]*Leadership{
		"none":                   {},
		"not yet":                {from: now.Add(time.Minute), until: now.Add(time.Hour)},
		"over":                   {from: now.Add(-time.Hour), until: now.Add(-time.Second)},
		"over by the wall clock": {from: now.Add(-time.Hour), until: now.Add(-time.Minute).Round(0)},
	} {
		if l.Held() {
			t.Errorf("%s: leads", name)
		}
	}
	if l := (&Leadership{from: now.Add(-time.Second), until: now.Add(time.Minute)}); !l.Held() {
		t.Error("doesn't lead within its time")
	}
}
