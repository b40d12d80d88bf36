package etcd

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/registry"
)

// followed records what a WatchProcesses delivers.
type followed struct {
	mu    sync.Mutex
	lists []string
}

func (f *followed) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lists) == 0 {
		return "nothing"
	}
	return f.lists[len(f.lists)-1]
}

func (f *followed) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.lists...)
}

func follow(t *testing.T, c *client) *followed {
	t.Helper()
	f, end := &followed{}, make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		end <- c.WatchProcesses(ctx, func(list []registry.Process) {
			var names []string
			for _, p := range list {
				names = append(names, p.Kind+"/"+p.Name+"@"+p.StartID)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lists = append(f.lists, strings.Join(names, " "))
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("WatchProcesses returned %v, want nil", err)
		}
	})
	return f
}

func announce(t *testing.T, c *client, kind, name, startID string) registry.Registration {
	t.Helper()
	r, err := c.Announce(t.Context(), registry.Process{Kind: kind, Name: name, StartID: startID, Host: "box", PID: 1, Started: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended, and its server may be gone.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = r.Close(ctx)
	})
	ready(t, r)
	return r
}

func TestWatchProcesses_FollowsStartsAndEnds(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := openOn(t, s)
	f := follow(t, c)
	eventually(t, "an empty list is a list", func() bool { return f.last() == "" })
	announce(t, c, registry.KindTerminator, "t1", "one")
	b := announce(t, openOn(t, s), registry.KindHandler, "h1", "two")
	eventually(t, "both are there", func() bool { return f.last() == "handler/h1@two terminator/t1@one" })
	// Instances and routes are no processes, and don't call anyone back.
	ready(t, register(t, c, inst("a")))
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one has left", func() bool { return f.last() == "terminator/t1@one" })
	// A new process of the name takes the record over.
	announce(t, openOn(t, s), registry.KindTerminator, "t1", "three")
	eventually(t, "its start id is another", func() bool { return f.last() == "terminator/t1@three" })
	if got := len(f.all()); got > 6 {
		t.Errorf("%d calls: %q", got, f.all())
	}
}

// Nothing is called back while etcd is away, and none of those alive is missing after it has come
// back without its data.
func TestWatchProcesses_KeepsTheLastKnown(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := open(t, Options{Endpoints: []string{s.ClientURL()}, DialTimeout: 500 * time.Millisecond, LeaseTTL: time.Second})
	announce(t, c, registry.KindTerminator, "t1", "one")
	gone := announce(t, c, registry.KindHandler, "h1", "two")
	f := follow(t, c)
	eventually(t, "both are there", func() bool { return f.last() == "handler/h1@two terminator/t1@one" })
	calls := len(f.all())
	s.Close()
	eventually(t, "etcd is missed", func() bool { return !c.Healthy() })
	if got := f.all()[calls:]; len(got) != 0 {
		t.Errorf("called back while etcd is away: %q", got)
	}
	gone.(*Registration).cancel() // it ends while nobody can say so
	s.restart(t, t.TempDir())
	eventually(t, "the dead one has left after a lease's life", func() bool { return f.last() == "terminator/t1@one" })
	for _, list := range f.all()[calls:] {
		if !strings.Contains(list, "terminator/t1@one") {
			t.Errorf("a list without the one that is alive: %q", list)
		}
	}
}
