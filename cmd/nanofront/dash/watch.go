package dash

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/dash/collect"
	"nanofront/internal/fleet"
	"nanofront/registry"
)

const (
	// healthEvery is how often it is looked whether etcd answers.
	healthEvery = 500 * time.Millisecond
	// silentAfter is how long etcd may take to answer anything at all.
	silentAfter = 1500 * time.Millisecond
	// revisionTime is how long the routes' revision may take to be found out.
	revisionTime = 2 * time.Second
)

// targets is what discovery has said so far.
type targets struct {
	mu    sync.Mutex
	known fleet.Known
}

func (t *targets) list() []fleet.Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known.Targets()
}

// watch passes on what discovery says, until ctx ends.
func (c *Command) watch(ctx context.Context, source discovery.Source, to *collect.Collector) {
	t := &targets{known: fleet.Known{Fronts: c.Terminators}}
	if c.Static != "" {
		t.known.Default = cli.DefaultAdmin
	}
	t.known.Host, _ = os.Hostname() // unknown, at worst
	var loops sync.WaitGroup
	loops.Go(func() {
		_ = source.Watch(ctx, func(s registry.Snapshot) { // it ends with ctx
			t.mu.Lock()
			t.known.Instances = s.Instances
			t.mu.Unlock()
			to.SetTargets(t.list())
			if s.Routes != nil {
				to.SetRoutes(s.Routes, c.revision(ctx, source))
			}
		})
	})
	loops.Go(func() {
		_ = source.WatchProcesses(ctx, func(list []registry.Process) { // as above
			t.mu.Lock()
			t.known.Processes = list
			t.mu.Unlock()
			to.SetTargets(t.list())
		})
	})
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			to.SetEtcd(cmp.Or(source.Err(), c.silence(ctx)))
		case <-ctx.Done():
		}
	}
	loops.Wait()
}

// errSilent tells that etcd takes connections, or nothing, and doesn't answer.
var errSilent = errors.New("etcd doesn't answer")

// silence is an error if none of etcd's addresses answers at all. The client's own probe is as
// patient as its calls need; whoever looks at the page isn't.
func (c *Command) silence(ctx context.Context) error {
	if c.Static != "" || !strings.HasPrefix(c.Etcd, "http://") {
		return nil // a server with TLS may want a certificate first
	}
	ctx, cancel := context.WithTimeout(ctx, silentAfter)
	defer cancel()
	for url := range strings.SplitSeq(c.Etcd, ",") {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(strings.TrimSpace(url), "/")+"/version", nil)
		if err != nil {
			return nil // of a kind that only the client knows
		}
		if resp, err := probe.Do(req); err == nil {
			_ = resp.Body.Close()
			return nil
		}
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil // we end
	}
	return errSilent
}

// probe is straight, whatever HTTP_PROXY says.
var probe = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * time.Second}}

// revision is that of the routes; 0 where there is none, or it can't be found out now.
func (c *Command) revision(ctx context.Context, source discovery.Source) int64 {
	if c.Static != "" {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, revisionTime)
	defer cancel()
	_, _, rev, err := source.Routes(ctx)
	if err != nil {
		return 0
	}
	return rev
}
