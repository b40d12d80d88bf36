package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"nanofront/bench/system"
	"nanofront/internal/process"
	"nanofront/registry"
)

// Names of processes.
const (
	etcdName   = "etcd"
	terminator = "terminator"
)

const (
	handlers = 3
	grace    = 12 * time.Second // above the programs' --drain-timeout
	// routeTimeout is short, so that what hangs is seen within a fault.
	routeTimeout = "2s"
)

// bed is the system that faults happen to.
type bed struct {
	system.System
	dir   string // of ledgers and moods
	bin   string
	etcd  string         // its URL
	admin string         // of the terminator
	proxy *proxy         // in front of the last handler
	more  *process.Group // handlers that are there for one fault
	// jumping is the folder of programs whose clocks can be set, once they are built.
	jumping string
	times   int // that a fault has happened which happens again and again
}

// handler is the name of the i-th handler.
func handler(i int) string { return fmt.Sprintf("ledger-%d", i+1) }

// startBed starts it, and waits until all is connected.
func startBed(ctx context.Context, bin, dir string) (_ *bed, err error) {
	b := &bed{System: system.System{Group: system.NewGroup(), Admins: make(map[string]system.Admin)}, dir: dir, bin: bin}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	addrs, err := system.FreeAddrs(3 + handlers)
	if err != nil {
		return nil, err
	}
	b.etcd, b.URL, b.admin = "http://"+addrs[0], "http://"+addrs[1], addrs[2]
	if _, err := b.Start(process.Spec{
		Name: etcdName, Role: etcdName, Path: filepath.Join(bin, "nanofront"), Grace: grace,
		Args: []string{"etcd", "--data", filepath.Join(dir, etcdName), "--client-url", b.etcd, "--admin=", "--statsd=", "--log-level=error"},
	}); err != nil {
		return nil, err
	}
	if err := b.WaitFor(ctx, etcdName, b.applyRoutes); err != nil {
		return nil, err
	}
	for i := range handlers {
		var more []string
		if i == handlers-1 {
			if b.proxy, err = startProxy(addrs[3+i]); err != nil {
				return nil, err
			}
			more = []string{"--advertise", "tcp://" + b.proxy.addr}
		}
		if err := b.startHandler(handler(i), append([]string{"--bus", "tcp://" + addrs[3+i]}, more...)...); err != nil {
			return nil, err
		}
	}
	b.Admins[terminator] = system.Admin{Addr: b.admin, Role: system.RoleTerminator}
	if _, err := b.Start(process.Spec{
		Name: terminator, Role: system.RoleTerminator, Path: filepath.Join(bin, terminator), Grace: grace,
		Args: []string{
			"--instance", "terminator-1", "--http", addrs[1], "--admin", b.admin, "--etcd", b.etcd,
			"--handover", filepath.Join(dir, "handover.sock"), "--access-log=0", "--statsd=", "--log-level=warn",
		},
	}); err != nil {
		return nil, err
	}
	return b, b.settle(ctx)
}

func (b *bed) startHandler(name string, args ...string) error {
	_, err := b.Start(b.handlerSpec(name, append(args, "--etcd", b.etcd)...))
	return err
}

// handlerSpec is a handler that keeps a ledger.
func (b *bed) handlerSpec(name string, args ...string) process.Spec {
	return process.Spec{
		Name: name, Role: service, Path: filepath.Join(b.bin, "handler"), Grace: grace,
		Args: append([]string{"ledger", "--instance", name, "--ledger", b.dir, "--admin=", "--statsd=", "--log-level=warn"}, args...),
	}
}

// startMore starts further instances for one fault, as one process, and waits until the front has
// so many links more.
func (b *bed) startMore(ctx context.Context, s process.Spec, links int) error {
	b.more = system.NewGroup()
	if _, err := b.more.Start(s); err != nil {
		return err
	}
	return b.more.WaitFor(ctx, "links to "+s.Name, system.Linked(b.admin, map[string]int{service: handlers + links}))
}

// stopMore ends them.
func (b *bed) stopMore() {
	if b.more != nil {
		b.more.Stop()
		b.more = nil
	}
}

// stop ends all of it.
func (b *bed) stop() {
	b.Stop()
	b.stopMore()
	if b.proxy != nil {
		b.proxy.close()
	}
}

// applyRoutes writes the routes.
func (b *bed) applyRoutes(ctx context.Context) error {
	file := filepath.Join(b.dir, "routes.yaml")
	routes := "version: 1\nroutes:\n  - {name: all, match: {prefix: /}, service: " + service + ", timeout: " + routeTimeout + "}\n"
	if err := os.WriteFile(file, []byte(routes), 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(b.bin, "nanofront"), "routes", "apply", file, "--etcd", b.etcd).CombinedOutput()
	if err != nil {
		return fmt.Errorf("chaos: the routes: %w: %s", err, out)
	}
	return nil
}

// linked waits until the front has all handlers.
func (b *bed) linked(ctx context.Context) error {
	return b.WaitFor(ctx, "all handlers to be linked", system.Linked(b.admin, map[string]int{service: handlers}))
}

// settle waits until that is so, and the front answers.
func (b *bed) settle(ctx context.Context) error {
	if err := b.linked(ctx); err != nil {
		return err
	}
	return b.WaitFor(ctx, "an answer", system.Answers(b.URL+"/read"))
}

// signal sends a signal to processes.
func (b *bed) signal(sig syscall.Signal, names ...string) error {
	for _, name := range names {
		if err := b.Process(name).Signal(sig); err != nil {
			return err
		}
	}
	return nil
}

// kill kills processes, and waits for their end, whatever ends meanwhile.
func (b *bed) kill(ctx context.Context, names ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := b.signal(syscall.SIGKILL, names...); err != nil {
		return err
	}
	for _, name := range names {
		if err := b.Process(name).Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// revive starts processes again that have ended.
func (b *bed) revive(names ...string) error {
	for _, name := range names {
		if err := b.Process(name).Restart(); err != nil {
			return err
		}
	}
	return nil
}

// mood tells a handler what to be like.
func (b *bed) mood(i int, m string) error { return setMood(b.dir, handler(i), m) }

// register registers instances of our service in etcd, which nothing keeps there.
func (b *bed) register(ctx context.Context, list []registry.Instance) error {
	for part := range slices.Chunk(list, 100) { // a transaction may have 128 of them
		puts := "\n" // no conditions
		for i := range part {
			value, err := json.Marshal(part[i])
			if err != nil {
				return err
			}
			puts += fmt.Sprintf("put %s %q\n", keyOf(part[i].ID), value)
		}
		if err := b.etcdctl(ctx, puts+"\n\n", "txn"); err != nil {
			return err
		}
	}
	return nil
}

// unregister removes those whose id begins so.
func (b *bed) unregister(ctx context.Context, prefix string) error {
	return b.etcdctl(ctx, "", "del", "--prefix", keyOf(prefix))
}

// keyOf is the key of an instance (docs/protocol.md, Discovery).
func keyOf(id string) string { return "/nanofront/v1/instances/" + service + "/" + id }

// hasEtcdctl skips what needs it.
func hasEtcdctl() error {
	if _, err := exec.LookPath("etcdctl"); err != nil {
		return fmt.Errorf("%w: etcdctl is missing (package etcd-client)", errSkip)
	}
	return nil
}

func (b *bed) etcdctl(ctx context.Context, in string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, "etcdctl", append([]string{"--endpoints", b.etcd}, args...)...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3") // which older ones need
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("chaos: etcdctl %s: %w: %s", args[0], err, out)
	}
	return nil
}
