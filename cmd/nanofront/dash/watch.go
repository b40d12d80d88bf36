package dash

import (
	"context"
	"slices"
	"sync"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/view"
	"nanofront/registry"
)

const (
	// frontsEvery is how often it is asked which terminators there are.
	frontsEvery = 2 * time.Second
	// healthEvery is how often it is looked whether etcd answers.
	healthEvery = 500 * time.Millisecond
)

// targets is what discovery has said so far.
type targets struct {
	mu        sync.Mutex
	instances []registry.Instance
	fronts    []registry.Terminator
	more      []string
}

func (t *targets) list() (list []collect.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, in := range t.instances {
		list = append(list, collect.Target{Kind: view.Handler, Service: in.Service, ID: in.ID, Admin: in.Admin, Version: in.Version, Weight: int(in.Weight)})
	}
	for _, f := range t.fronts {
		list = append(list, collect.Target{Kind: view.Front, ID: f.ID, Admin: f.Admin, Version: f.Version, Host: f.Host})
	}
	for _, addr := range t.more {
		if !slices.ContainsFunc(t.fronts, func(f registry.Terminator) bool { return f.Admin == addr }) {
			list = append(list, collect.Target{Kind: view.Front, ID: addr, Admin: addr})
		}
	}
	return list
}

// watch passes on what discovery says, until ctx ends.
func (c *Command) watch(ctx context.Context, source discovery.Source, to *collect.Collector) {
	t := &targets{more: c.Terminators}
	if len(t.more) == 0 && c.Static != "" {
		t.more = []string{cli.DefaultAdmin}
	}
	var loops sync.WaitGroup
	defer loops.Wait()
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
		for every(ctx, healthEvery) {
			to.SetEtcd(source.Err())
		}
	})
	for {
		fronts, err := source.Terminators(ctx)
		if err == nil {
			t.mu.Lock()
			t.fronts = fronts
			t.mu.Unlock()
			to.SetTargets(t.list())
		}
		if !every(ctx, frontsEvery) {
			return
		}
	}
}

func (c *Command) revision(ctx context.Context, source discovery.Source) int64 {
	if c.Static != "" {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, frontsEvery)
	defer cancel()
	_, _, rev, err := source.Routes(ctx)
	if err != nil {
		return 0
	}
	return rev
}

func every(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
