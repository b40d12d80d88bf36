package web

import (
	"context"

	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// Service is the name under which the role is announced unless
// handlers.Options say otherwise.
const Service = "web"

// profileService is who knows the members.
const profileService = "profile"

// Role is the web role.
type Role struct {
	rt  *handlers.Runtime
	h   *handler
	log zerolog.Logger
}

// New makes the role, which serves nothing yet. Calls, Subscriptions and Inline
// of the options are the role's to set.
func New(ho handlers.Options) (*Role, error) {
	if ho.Service == "" {
		ho.Service = Service
	}
	if ho.Metrics == nil {
		ho.Metrics = metrics.New(metrics.Handler, ho.Instance)
	}
	h := newHandler(ho.Metrics)
	ho.Calls = []string{profileService}
	ho.Subscriptions = map[string]func(nanobus.Event){Topic: h.events.received}
	ho.Inline = true
	rt, err := handlers.New(ho)
	if err != nil {
		return nil, err
	}
	if err := h.attach(rt); err != nil {
		return nil, err
	}
	if h.toggles, err = openToggles(ho); err != nil {
		_ = rt.Close() // it has served nothing
		return nil, err
	}
	return &Role{rt: rt, h: h, log: ho.Logger}, nil
}

// Runtime is what serves the role, for its readiness and links.
func (r *Role) Runtime() *handlers.Runtime { return r.rt }

// Run serves until ctx ends and leaves as handlers.Runtime.Run does.
func (r *Role) Run(ctx context.Context) error {
	if r.h.toggles != nil {
		defer r.h.toggles.Close()
	}
	r.loadToggles(ctx)
	return r.rt.RunBatch(ctx, r.h)
}

// Run makes the role and runs it.
func Run(ctx context.Context, ho handlers.Options) error {
	r, err := New(ho)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}
