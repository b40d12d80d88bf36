package echo

import (
	"context"

	"nanofront/handlers"
)

// Role is the echo role.
type Role struct{ rt *handlers.Runtime }

// New makes the role, which serves nothing yet.
func New(ho handlers.Options) (*Role, error) {
	if ho.Service == "" {
		ho.Service = Service
	}
	ho.Bodies = true
	rt, err := handlers.New(ho)
	if err != nil {
		return nil, err
	}
	return &Role{rt: rt}, nil
}

// Runtime is what serves the role, for its readiness and links.
func (r *Role) Runtime() *handlers.Runtime { return r.rt }

// Run serves until ctx ends and leaves as handlers.Runtime.Run does.
func (r *Role) Run(ctx context.Context) error { return r.rt.RunStream(ctx, new(handler)) }

// Run makes the role and runs it.
func Run(ctx context.Context, ho handlers.Options) error {
	r, err := New(ho)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}
