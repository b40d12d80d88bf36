package dash

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/view"
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
	mu        sync.Mutex
	host      string // this machine's name
	instances []registry.Instance
	processes []registry.Process
	more      []string // admin addresses of terminators
}

func (t *targets) list() (list []collect.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, in := range t.instances {
		to := collect.Target{Kind: view.Handler, Service: in.Service, ID: in.ID, Admin: in.Admin, Version: in.Version, Weight: int(in.Weight)}
		if i := slices.IndexFunc(t.processes, func(p registry.Process) bool {
			return p.Kind == registry.KindHandler && p.Service == in.Service && p.Name == in.ID
		}); i >= 0 {
			to.Admin, to.Host = t.processes[i].AdminFrom(t.host), t.processes[i].Host
		}
		list = append(list, to)
	}
	for _, p := range t.processes {
		to := collect.Target{Kind: view.Other, ID: p.Kind + "/" + p.Name, Admin: p.AdminFrom(t.host), Version: p.Version, Host: p.Host}
		switch {
		case p.Kind == registry.KindHandler:
			continue // an instance, while it takes requests
		case p.Kind == registry.KindTerminator:
			to.Kind, to.ID = view.Front, p.Name
		case p.Admin == "":
			continue // there is nothing to ask
		}
		list = append(list, to)
	}
	for _, addr := range t.more {
		if !slices.ContainsFunc(list, func(to collect.Target) bool { return to.Admin == addr }) {
			list = append(list, collect.Target{Kind: view.Front, ID: addr, Admin: addr})
		}
	}
	return list
}

// watch passes on what discovery says, until ctx ends.
func (c *Command) watch(ctx context.Context, source discovery.Source, to *collect.Collector) {
	t := &targets{more: c.Terminators}
	t.host, _ = os.Hostname() // unknown, at worst
	var loops sync.WaitGroup
	loops.Go(func() {
		_ = source.Watch(ctx, func(s registry.Snapshot) { // it ends with ctx
			t.mu.Lock()
			t.instances = s.Instances
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
			t.processes = list
			if len(c.Terminators) == 0 && c.Static != "" && !slices.ContainsFunc(list, func(p registry.Process) bool { return p.Kind == registry.KindTerminator }) {
				t.more = []string{cli.DefaultAdmin}
			}
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
