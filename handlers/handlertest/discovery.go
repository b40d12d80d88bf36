package handlertest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"nanofront/handlers"
	"nanofront/registry"
)

// Discovery is a handlers.Discovery in memory: an instance that registers is seen by whoever
// watches at once.
type Discovery struct {
	mu        sync.Mutex
	instances map[instanceKey]registry.Instance
	routes    *registry.Routes
	changed   chan struct{} // closed at the next change
}

type instanceKey struct{ service, id string }

var _ handlers.Discovery = (*Discovery)(nil)

// NewDiscovery returns one that knows nobody.
func NewDiscovery() *Discovery {
	return &Discovery{instances: map[instanceKey]registry.Instance{}, changed: make(chan struct{})}
}

// Register implements handlers.Discovery.
func (d *Discovery) Register(_ context.Context, in registry.Instance) (registry.Registration, error) {
	d.Put(in)
	r := &registration{d: d, in: in, ready: make(chan struct{})}
	close(r.ready)
	return r, nil
}

// Watch implements handlers.Discovery.
func (d *Discovery) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	for {
		d.mu.Lock()
		next := d.changed
		s := registry.Snapshot{Instances: slices.Collect(maps.Values(d.instances)), Routes: d.routes}
		d.mu.Unlock()
		registry.SortInstances(s.Instances)
		changed(s)
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Put makes an instance known, or replaces what is known of it.
func (d *Discovery) Put(in registry.Instance) {
	d.change(func() { d.instances[instanceKey{in.Service, in.ID}] = in })
}

// Remove makes an instance unknown.
func (d *Discovery) Remove(service, id string) {
	d.change(func() { delete(d.instances, instanceKey{service, id}) })
}

// SetRoutes puts a routes document in force.
func (d *Discovery) SetRoutes(r *registry.Routes) { d.change(func() { d.routes = r }) }

func (d *Discovery) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// registration is an instance that has registered itself.
type registration struct {
	d     *Discovery
	in    registry.Instance
	ready chan struct{}
}

func (r *registration) Ready() <-chan struct{} { return r.ready }

// Refused is never closed.
func (r *registration) Refused() <-chan struct{} { return nil }

// Err is always nil.
func (r *registration) Err() error { return nil }

// Update lets it be a registry.Registration too.
func (r *registration) Update(in registry.Instance) error {
	r.d.Put(in)
	return nil
}

func (r *registration) Close(context.Context) error {
	r.d.Remove(r.in.Service, r.in.ID)
	return nil
}
