package chaos

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"nanofront/registry"
)

// Faults are all that there are.
func Faults() []Fault {
	return slices.Concat(handlerFaults, frontFaults, etcdFaults, linkFaults, clockFaults)
}

// every does something until ctx ends, with a pause after each time, and counts.
func (b *bed) every(ctx context.Context, pause time.Duration, do func(i int) error) error {
	for i := 0; ; i++ {
		if err := do(i); err != nil {
			return err
		}
		b.times++
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

var handlerFaults = []Fault{
	{
		Name: "handler killed", About: "kill -9 of one of three, which is started again after the fault",
		Inject: func(ctx context.Context, b *bed) error { return b.kill(ctx, handler(0)) },
		Heal:   func(_ context.Context, b *bed) error { return b.revive(handler(0)) },
		Expect: Expectation{WritesLost: 20, Refused: noise, Within: soon}, // what is at work there
	},
	{
		Name: "handler stopped", About: "SIGSTOP of one of three, SIGCONT after it",
		Inject: func(_ context.Context, b *bed) error { return b.signal(syscall.SIGSTOP, handler(0)) },
		Heal:   func(_ context.Context, b *bed) error { return b.signal(syscall.SIGCONT, handler(0)) },
		Expect: stalled,
	},
	{
		Name: "handler slow", About: "one of three takes fifty times as long",
		Inject: func(_ context.Context, b *bed) error { return b.mood(0, slow) },
		Heal:   func(_ context.Context, b *bed) error { return b.mood(0, well) },
		Expect: unharmed,
	},
	{
		Name: "handler floods", About: "one of three answers with 100 KiB in place of 8 bytes",
		Inject: func(_ context.Context, b *bed) error { return b.mood(0, flood) },
		Heal:   func(_ context.Context, b *bed) error { return b.mood(0, well) },
		Expect: unharmed,
	},
	{
		Name: "all handlers killed", About: "kill -9 of all three, which are started again after the fault",
		Inject: func(ctx context.Context, b *bed) error { return b.kill(ctx, allHandlers()...) },
		Heal:   func(_ context.Context, b *bed) error { return b.revive(allHandlers()...) },
		// What is at work; reads may be sent once more, to one that is killed as well.
		Expect: Expectation{ReadsLost: 50, WritesLost: 50, Refused: 1, Within: 2 * soon},
	},
	{
		Name: "handler flaps", About: "one of three is killed and started again all the time",
		Inject: func(ctx context.Context, b *bed) error {
			return b.every(ctx, 300*time.Millisecond, func(int) error {
				if err := b.kill(ctx, handler(1)); err != nil {
					return err
				}
				return b.revive(handler(1))
			})
		},
		Expect: Expectation{WritesLost: 100, Refused: noise, Within: soon},
	},
	{
		Name: "handlers killed in turn", About: "kill -9 to each handler in turn; the next follows when it is back",
		Inject: func(ctx context.Context, b *bed) error {
			return b.every(ctx, 100*time.Millisecond, func(i int) error {
				if err := b.kill(ctx, handler(i%handlers)); err != nil {
					return err
				}
				if err := b.revive(handler(i % handlers)); err != nil {
					return err
				}
				return b.linked(context.WithoutCancel(ctx))
			})
		},
		Expect: Expectation{WritesLost: Any, Refused: noise, Within: soon}, // what is at work there
	},
	{
		Name: "rolling restarts", About: "SIGTERM to each handler in turn; the next follows when it is back",
		Inject: func(ctx context.Context, b *bed) error {
			return b.every(ctx, 100*time.Millisecond, func(i int) error {
				if err := b.revive(handler(i % handlers)); err != nil {
					return err
				}
				return b.linked(context.WithoutCancel(ctx))
			})
		},
		Expect: unharmed,
	},
}

// stalled is what it costs that one of three takes requests and answers none: as many as are
// there when it is noticed, and no more of them.
var stalled = Expectation{ReadsLost: 100, WritesLost: 50, Refused: noise, Within: soon}

func allHandlers() (names []string) {
	for i := range handlers {
		names = append(names, handler(i))
	}
	return names
}

var frontFaults = []Fault{
	{
		Name: "terminator killed", About: "kill -9; it is started again at once",
		Inject: func(ctx context.Context, b *bed) error {
			if err := b.kill(ctx, terminator); err != nil {
				return err
			}
			return b.revive(terminator)
		},
		Expect: Expectation{ReadsLost: Any, WritesLost: Any, Refused: 1, Within: 0},
		Front:  true,
	},
	{
		Name: "handovers", About: "one terminator after the other takes over",
		Inject: handovers,
		Expect: unharmed,
		Front:  true,
	},
	{
		Name: "handovers, each request a connection", About: "the same, with reads that open a connection each",
		Inject: handovers,
		Expect: unharmed,
		Front:  true, Churn: true,
	},
	{
		Name: "killed in a handover", About: "kill -9 of a terminator whose successor has begun to take over",
		Inject: func(ctx context.Context, b *bed) error {
			p := b.Process(terminator)
			old := p.PID()
			done := make(chan error, 1)
			go func() { done <- p.Succeed(context.WithoutCancel(ctx)) }() // ends with the next line but two
			time.Sleep(100 * time.Millisecond)                            // some way into it
			_ = syscall.Kill(old, syscall.SIGKILL)                        // it may have ended
			return <-done
		},
		Expect: Expectation{ReadsLost: Any, WritesLost: Any, Refused: 1, Within: 0},
		Front:  true,
	},
}

func handovers(ctx context.Context, b *bed) error {
	return b.every(ctx, 500*time.Millisecond, func(int) error {
		return b.Process(terminator).Succeed(context.WithoutCancel(ctx))
	})
}

const (
	forgotten = "forgotten-" // what the ids of instances begin with that nobody keeps registered
	dead      = 400          // of them
)

var etcdFaults = []Fault{
	{
		Name: "etcd gone", About: "it is ended; after the fault it is back with its data",
		Inject: func(_ context.Context, b *bed) error { b.Process(etcdName).End(); return nil },
		Heal:   func(_ context.Context, b *bed) error { return b.revive(etcdName) },
		Expect: unharmed,
	},
	{
		Name: "etcd stopped", About: "SIGSTOP: connections to it are there, and say nothing",
		Inject: func(_ context.Context, b *bed) error { return b.signal(syscall.SIGSTOP, etcdName) },
		Heal:   func(_ context.Context, b *bed) error { return b.signal(syscall.SIGCONT, etcdName) },
		Expect: unharmed,
	},
	{
		Name: "500 instances", About: "of 500 registered instances 400 are dead: nobody listens where they say",
		Prepare: func(ctx context.Context, b *bed) error {
			if err := hasEtcdctl(); err != nil {
				return err
			}
			const more = 500 - dead - handlers
			return b.startMore(ctx, b.handlerSpec("crowd", "--copies", strconv.Itoa(more-1), "--bus", "tcp://127.0.0.1:0", "--etcd", b.etcd), more)
		},
		Clear: func(_ context.Context, b *bed) error { b.stopMore(); return nil },
		Inject: func(ctx context.Context, b *bed) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			addr := l.Addr().String()
			if err := l.Close(); err != nil { // from now on nobody listens there
				return err
			}
			list := make([]registry.Instance, dead)
			for i := range list {
				list[i] = registry.Instance{Service: service, ID: fmt.Sprintf("%s%d", forgotten, i), Address: "tcp://" + addr, Window: 1024, Started: time.Now()}
			}
			return b.register(ctx, list)
		},
		Heal:   func(ctx context.Context, b *bed) error { return b.unregister(ctx, forgotten) },
		Expect: unharmed,
	},
}

var linkFaults = []Fault{
	{
		Name: "slow link", About: "100 ms each way to one of three",
		Inject: weatherIs(weather{Delay: 100 * time.Millisecond}), Heal: weatherIs(weather{}),
		Expect: unharmed,
	},
	{
		Name: "lossy link", About: "2 % of what goes to and from one of three is late by 200 ms, and all behind it",
		Inject: weatherIs(weather{Delay: time.Millisecond, Stall: 200 * time.Millisecond, StallShare: 0.02}), Heal: weatherIs(weather{}),
		Expect: unharmed,
	},
	{
		Name: "link that breaks", About: "the connection to one of three is reset again and again",
		Inject: weatherIs(weather{CutShare: 0.01}), Heal: weatherIs(weather{}),
		Expect: Expectation{WritesLost: 50, Refused: noise, Within: soon},
	},
	{
		Name: "dead link", About: "nothing comes through to one of three any more, and nobody is told",
		Inject: weatherIs(weather{Delay: time.Hour}),
		Heal: func(_ context.Context, b *bed) error {
			b.proxy.set(weather{})
			b.proxy.cut() // what has been on its way for so long doesn't come any more
			return nil
		},
		Expect: stalled,
	},
	{
		Name: "partition", About: "the network between the front and one of four handlers is gone, then back (as root, on Linux)",
		Prepare: elsewhere, Inject: partition, Heal: reunite, Clear: gone,
		Expect: stalled,
	},
}

func weatherIs(w weather) func(context.Context, *bed) error {
	return func(_ context.Context, b *bed) error { b.proxy.set(w); return nil }
}

var clockFaults = []Fault{
	{
		Name: "clock jumps", About: "the wall clocks of the front and of the handlers jump by an hour, forth and back, each for itself",
		Prepare: wrongClocks, Inject: jumpClocks, Heal: restoreClocks, Clear: rightClocks, Look: odd,
		Expect: Expectation{Refused: noise, Within: soon}, Long: true,
	},
}
