package listening

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nanofront/nanobus"
	"nanofront/registry"
)

// Discovery is what the commands need of it; etcd's client and the static
// table implement it.
type Discovery interface {
	// Instances lists the live instances, sorted by service and id.
	Instances(ctx context.Context) ([]registry.Instance, error)
	// Watch calls back with the state of the system, first as it is and then
	// after each change, until ctx ends.
	Watch(ctx context.Context, changed func(registry.Snapshot)) error
}

// Target says which instances are meant. The zero value means all.
type Target struct {
	Service  string // empty: all services
	Instance string // empty: all instances of the service
}

// ParseTarget reads SERVICE or SERVICE/INSTANCE; empty means all.
func ParseTarget(text string) (Target, error) {
	service, instance, has := strings.Cut(text, "/")
	if text != "" && service == "" || has && instance == "" || strings.Contains(instance, "/") {
		return Target{}, fmt.Errorf("%q is not SERVICE or SERVICE/INSTANCE, such as echo or echo/echo-1", text)
	}
	return Target{service, instance}, nil
}

// Targets are the instances of each of them; none means all.
type Targets []Target

// means reports whether an instance is meant.
func (ts Targets) means(in *registry.Instance) bool {
	for _, t := range ts {
		if (t.Service == "" || t.Service == in.Service) && (t.Instance == "" || t.Instance == in.ID) {
			return true
		}
	}
	return len(ts) == 0
}

// of are the instances that are meant, as the bus wants them.
func (ts Targets) of(all []registry.Instance, eventsOnly bool) []nanobus.Instance {
	var list []nanobus.Instance
	for i := range all {
		if in := &all[i]; ts.means(in) {
			list = append(list, nanobus.Instance{
				Service: in.Service, ID: in.ID, Address: in.Address, Version: in.Version, EventsOnly: eventsOnly,
			})
		}
	}
	return list
}

// find is Find of all of them.
func (ts Targets) find(ctx context.Context, d Discovery, eventsOnly bool) ([]nanobus.Instance, error) {
	all, err := d.Instances(ctx)
	if err != nil {
		return nil, err
	}
	if len(ts) == 0 {
		ts = Targets{{}}
	}
	for _, t := range ts {
		if _, err := t.among(all, eventsOnly); err != nil {
			return nil, err
		}
	}
	return ts.of(all, eventsOnly), nil
}

// Find returns the instances that are meant, as the bus wants them, or an error that says which
// there are instead.
func (t Target) Find(ctx context.Context, d Discovery, eventsOnly bool) ([]nanobus.Instance, error) {
	return Targets{t}.find(ctx, d, eventsOnly)
}

// among is find of one target.
func (t Target) among(all []registry.Instance, eventsOnly bool) ([]nanobus.Instance, error) {
	if list := (Targets{t}).of(all, eventsOnly); len(list) > 0 {
		return list, nil
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no instances are known: is a handler running? nanofront up starts a whole system")
	}
	var services, instances []string
	for _, in := range all {
		if !slices.Contains(services, in.Service) {
			services = append(services, in.Service)
		}
		if in.Service == t.Service {
			instances = append(instances, in.ID)
		}
	}
	if len(instances) == 0 {
		return nil, fmt.Errorf("no instance of service %q is known: there are %s", t.Service, strings.Join(services, ", "))
	}
	return nil, fmt.Errorf("no instance %q of service %s is known: there are %s", t.Instance, t.Service, strings.Join(instances, ", "))
}
