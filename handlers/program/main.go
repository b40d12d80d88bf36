package program

import (
	"context"

	"nanofront/handlers"
	"nanofront/internal/cli"
)

// Main serves a service with h, and exits when the process is told to end: with 0 then, 1 if it
// can't go on, 2 if the command line is wrong. It doesn't return.
func Main(service string, h handlers.Handler) {
	MainRole(service, func(o handlers.Options) (Role, error) {
		rt, err := handlers.New(o)
		if err != nil {
			return nil, err
		}
		return &single{rt, h}, nil
	})
}

// MainRole is Main for a program that is more than one Handler: one that calls other services,
// hears events, answers requests in batches, or streams. newRole gets the options as the flags say
// them, Service among them; it adds what is its own (Calls, Subscriptions, Owner, Bodies), and
// makes the runtime of them with [handlers.New].
func MainRole(service string, newRole func(handlers.Options) (Role, error)) {
	cli.Main(service, func(ctx context.Context, args []string, std cli.IO) error {
		var f struct {
			Flags
			cli.Version
		}
		_, err := cli.Parse(cli.Program{
			Name:        service,
			Description: "Serves " + service + " on nanofront's bus.",
			Vars:        Vars(),
		}, &f, args, std)
		if err != nil {
			return err
		}
		return f.Serve(ctx, service, func(o handlers.Options) (Role, error) {
			o.Service = service
			return newRole(o)
		})
	})
}

// single is a role of one handler.
type single struct {
	rt *handlers.Runtime
	h  handlers.Handler
}

// Runtime implements Role.
func (s *single) Runtime() *handlers.Runtime { return s.rt }

// Run implements Role.
func (s *single) Run(ctx context.Context) error { return s.rt.Run(ctx, s.h) }
