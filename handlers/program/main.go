package program

import (
	"context"

	"nanofront/handlers"
	"nanofront/internal/cli"
)

// Main serves a service with h, and exits when the process is told to end: with 0 then, 1 if it can't go on, 2
// if the command line is wrong. It doesn't return.
func Main(service string, h handlers.Handler) {
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
			rt, err := handlers.New(o)
			if err != nil {
				return nil, err
			}
			return &single{rt, h}, nil
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
