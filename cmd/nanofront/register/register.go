package register

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"nanofront/registry"
)

const (
	// knockEvery is how often a handler that doesn't answer yet is tried.
	knockEvery = 50 * time.Millisecond
	// deregisterWithin bounds the end where discovery doesn't answer: the record goes with its
	// lease then.
	deregisterWithin = 3 * time.Second
	// settle is how long callers get to hear that the handler isn't registered any more, before
	// it is told to end: not every handler tells them so itself.
	settle = 100 * time.Millisecond
)

// registrar is where the handler is registered.
type registrar interface {
	Register(ctx context.Context, in registry.Instance) (registry.Registration, error)
}

// options say what to register, and what to run.
type options struct {
	Instance  registry.Instance
	Registrar registrar
	// Command is the handler, with its arguments. Empty: somebody else runs it.
	Command []string
	// AnswerTimeout is how long the handler may take until it answers.
	AnswerTimeout time.Duration
	// DrainTimeout is how long Command may take to end after SIGTERM; it is killed then.
	DrainTimeout time.Duration
	Logger       zerolog.Logger
}

// serve keeps the instance registered until ctx ends, or the command does. The error is a
// *cli.CodeError if the command ended with another code than 0.
func serve(ctx context.Context, o options) error {
	var c *child
	if len(o.Command) > 0 {
		// Else another process would be taken for the command.
		if err := knock(ctx, o.Instance.Address); err == nil {
			return fmt.Errorf("%s already answers before the command has started: end whatever listens there, or choose another address", o.Instance.Address)
		}
		var err error
		if c, err = startChild(o.Command, o.environment()); err != nil {
			return err
		}
	}
	err := o.register(ctx, c)
	ended := c.end(o.DrainTimeout, o.Logger)
	if err != nil {
		return err // which is why it was ended
	}
	return ended
}

// environment tells the command what it is registered as.
func (o *options) environment() []string {
	return []string{
		"NANOFRONT_SERVICE=" + o.Instance.Service,
		"NANOFRONT_INSTANCE=" + o.Instance.ID,
		"NANOFRONT_BUS=" + o.Instance.Address,
	}
}

// register registers the instance once it answers, and takes that back when it is time to end: ctx
// has ended, the child has, or the registration is refused.
func (o *options) register(ctx context.Context, c *child) error {
	if ok, err := o.answers(ctx, c); !ok {
		return err
	}
	log := o.Logger.With().Str("service", o.Instance.Service).Str("address", o.Instance.Address).Logger()
	reg, err := o.Registrar.Register(ctx, o.Instance)
	if err != nil {
		return err
	}
	for ready := reg.Ready(); ; {
		select {
		case <-ready:
			log.Info().Msg("registered")
			ready = nil
			continue
		case <-reg.Refused():
			err = reg.Err()
		case <-c.done():
		case <-ctx.Done():
		}
		break
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), deregisterWithin)
	defer cancel()
	switch closed := reg.Close(end); {
	case closed != nil:
		log.Warn().Err(closed).Msg("not deregistered")
	case err == nil:
		log.Info().Msg("deregistered")
		select {
		case <-c.done():
		case <-time.After(settle):
		}
	}
	return err
}

// answers waits until the handler does. Without an error it is false if there is nothing more to
// wait for.
func (o *options) answers(ctx context.Context, c *child) (bool, error) {
	timeout := time.NewTimer(o.AnswerTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(knockEvery)
	defer tick.Stop()
	said := false
	for {
		err := knock(ctx, o.Instance.Address)
		if err == nil {
			return true, nil
		}
		if !said && c == nil {
			said = true
			o.Logger.Info().Err(err).Stringer("timeout", o.AnswerTimeout).Msg("waiting for the handler to answer")
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-c.done():
			return false, nil
		case <-timeout.C:
			return false, fmt.Errorf("the handler doesn't answer at %s within %v (--answer-timeout): %w", o.Instance.Address, o.AnswerTimeout, err)
		case <-tick.C:
		}
	}
}
