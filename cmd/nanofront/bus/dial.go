package bus

import (
	"context"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/internal/buildinfo"
	"nanofront/nanobus"
	"nanofront/registry"
)

// Dial makes a bus that is linked with the instances of a target, as a caller, and waits until one of
// them takes requests. o says what else it is; its name is service.
func Dial(ctx context.Context, t listening.Target, d listening.Discovery, service string, o nanobus.Options, timeout time.Duration) (*nanobus.Bus, []nanobus.Instance, error) {
	list, err := t.Find(ctx, d, false)
	if err != nil {
		return nil, nil, err
	}
	bus, err := link(ctx, service, o, list, timeout)
	return bus, list, err
}

// link makes a bus that is linked with instances.
func link(ctx context.Context, service string, o nanobus.Options, list []nanobus.Instance, timeout time.Duration) (*nanobus.Bus, error) {
	o.Service, o.Instance, o.Version, o.Bodies = service, registry.NewID(service), buildinfo.Get().Version, true
	bus, err := nanobus.New(o)
	if err != nil {
		return nil, err
	}
	if err = bus.SetInstances(list); err == nil {
		err = settle(ctx, bus, list, max(timeout, linkTime))
	}
	if err != nil {
		_ = bus.Close() // nothing is lost with it
		return nil, err
	}
	return bus, nil
}
