package system

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"nanofront/internal/process"
)

// Roles of processes in reports.
const (
	RoleTerminator = "terminator"
	RoleEcho       = "echo"
	RoleWeb        = "web"
	RoleProfile    = "profile"
)

// endGrace is above the programs' own --drain-timeout.
const endGrace = 12 * time.Second

// NanofrontOptions say what of nanofront is started.
type NanofrontOptions struct {
	// Bin is the folder of the built programs.
	Bin string
	// Dir is a folder of its own, for tables and sockets; Data is the profile's store, see [Store].
	Dir, Data string
	// Echo, Web and Profile are how many handlers of each role there are; Profile is 0 or 1, since
	// a store belongs to one process.
	Echo, Web, Profile int
	// EchoWorkers is how many requests each echo works on at once. 0 means its default.
	EchoWorkers int
	// TerminatorFlags and HandlerFlags are further ones for the programs.
	TerminatorFlags, HandlerFlags []string
}

// System is a subject that runs.
type System struct {
	*process.Group
	// URL is where it answers, without a slash at the end.
	URL string
	// Admins are the admin ports to sample, by name of the process.
	Admins map[string]Admin
}

// Admin is an admin port.
type Admin struct{ Addr, Role string }

// Nanofront is a nanofront that runs: a terminator and handlers that know each other from a table.
type Nanofront struct{ System }

// handlerSpec is a handler before it has a process.
type handlerSpec struct{ name, role, bus, admin string }

// StartNanofront starts the programs, and waits until all is connected. The caller must Stop what
// it returns.
func StartNanofront(ctx context.Context, o NanofrontOptions) (*Nanofront, error) {
	if o.Echo < 0 || o.Web < 0 || o.Profile < 0 || o.Profile > 1 || o.Echo+o.Web == 0 {
		return nil, fmt.Errorf("system: echo %d, web %d, profile %d: there must be some echo or web, and at most one profile", o.Echo, o.Web, o.Profile)
	}
	var n *Nanofront
	err := Retry(func() (err error) {
		n, err = startNanofront(ctx, o)
		return err
	})
	return n, err
}

func startNanofront(ctx context.Context, o NanofrontOptions) (_ *Nanofront, err error) {
	n := &Nanofront{System{Group: NewGroup(), Admins: make(map[string]Admin)}}
	defer func() {
		if err != nil {
			n.Stop()
		}
	}()
	var handlers []handlerSpec
	for _, r := range []struct {
		role  string
		count int
	}{{RoleProfile, o.Profile}, {RoleEcho, o.Echo}, {RoleWeb, o.Web}} {
		for i := range r.count {
			handlers = append(handlers, handlerSpec{name: fmt.Sprintf("%s-%d", r.role, i+1), role: r.role})
		}
	}
	addrs, err := FreeAddrs(2 + 2*len(handlers))
	if err != nil {
		return nil, err
	}
	for i := range handlers {
		handlers[i].bus, handlers[i].admin = addrs[2+2*i], addrs[3+2*i]
	}
	table := filepath.Join(o.Dir, "table.yaml")
	if err := os.WriteFile(table, []byte(tableOf(handlers)), 0o600); err != nil {
		return nil, fmt.Errorf("system: %w", err)
	}
	common := []string{"--static", table, "--statsd=", "--log-level", "warn", "--log-format", "json"}
	for _, h := range handlers {
		if err := n.startHandler(&o, h, slices.Concat(common, o.HandlerFlags)); err != nil {
			return nil, err
		}
	}
	if err := n.startTerminator(&o, addrs[0], addrs[1], slices.Concat(common, o.TerminatorFlags)); err != nil {
		return nil, err
	}
	return n, n.WaitFor(ctx, "nanofront", func(ctx context.Context) error { return n.ready(ctx, &o) })
}

// tableOf is the static table of the handlers, and of the usual routes to those that there are: a
// terminator isn't ready while a route has nobody behind it.
func tableOf(handlers []handlerSpec) string {
	var b strings.Builder
	b.WriteString("version: 1\ninstances:\n")
	for _, h := range handlers {
		fmt.Fprintf(&b, "  - {service: %s, id: %s, address: \"tcp://%s\", admin: \"%s\"}\n", h.role, h.name, h.bus, h.admin)
	}
	list := ""
	for _, r := range []struct{ service, match string }{
		{RoleEcho, "path: /hello"}, {RoleEcho, "prefix: /echo"}, {RoleWeb, "prefix: /"},
	} {
		if slices.ContainsFunc(handlers, func(h handlerSpec) bool { return h.role == r.service }) {
			list += fmt.Sprintf("  - {match: {%s}, service: %s}\n", r.match, r.service)
		}
	}
	if list != "" {
		b.WriteString("routes:\n" + list)
	}
	return b.String()
}

func (n *Nanofront) startHandler(o *NanofrontOptions, h handlerSpec, common []string) error {
	args := []string{h.role, "--instance", h.name, "--bus", "tcp://" + h.bus, "--admin", h.admin}
	if h.role == RoleProfile {
		args = append(args, "--data", o.Data)
	}
	if h.role == RoleEcho && o.EchoWorkers > 0 {
		args = append(args, "--workers", strconv.Itoa(o.EchoWorkers))
	}
	n.Admins[h.name] = Admin{Addr: h.admin, Role: h.role}
	_, err := n.Start(process.Spec{Name: h.name, Role: h.role, Path: filepath.Join(o.Bin, "handler"), Args: append(args, common...), Env: handlerEnv(), Grace: endGrace})
	return err
}

func (n *Nanofront) startTerminator(o *NanofrontOptions, http, admin string, common []string) error {
	n.URL = "http://" + http
	n.Admins[RoleTerminator] = Admin{Addr: admin, Role: RoleTerminator}
	_, err := n.Start(process.Spec{
		Name: RoleTerminator, Role: RoleTerminator, Path: filepath.Join(o.Bin, "terminator"), Grace: endGrace,
		Args: append([]string{
			"--instance", "terminator-1", "--http", http, "--admin", admin, "--handover", filepath.Join(o.Dir, "handover.sock"), "--access-log=0",
		}, common...),
	})
	return err
}

// handlerEnv gives handlers a core each where nanofront up does: several share a machine here too.
func handlerEnv() []string {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil // whoever set it has thought about it
	}
	return []string{"GOMAXPROCS=" + strconv.Itoa(max(1, runtime.NumCPU()/4))}
}

// ready asks each process, and whether the links are there that requests will need.
func (n *Nanofront) ready(ctx context.Context, o *NanofrontOptions) error {
	for name, a := range n.Admins {
		if err := Answers("http://" + a.Addr + "/readyz")(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		wanted := map[string]int{}
		switch a.Role {
		case RoleTerminator:
			wanted = map[string]int{RoleEcho: o.Echo, RoleWeb: o.Web}
		case RoleWeb:
			wanted = map[string]int{RoleProfile: o.Profile}
		}
		if err := Linked(a.Addr, wanted)(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Restart ends a process as an operator would, starts it again, and waits until it serves and the
// terminator has found it. The terminator is handed over to a successor.
func (n *Nanofront) Restart(ctx context.Context, name string) error {
	p := n.Process(name)
	if p == nil {
		return fmt.Errorf("system: there is no process %q to restart", name)
	}
	ctx, cancel := context.WithTimeout(ctx, process.ReadyTimeout)
	defer cancel()
	if p.Role == RoleTerminator {
		return p.Succeed(ctx)
	}
	if err := p.Restart(); err != nil {
		return err
	}
	count := 0
	for _, other := range n.Processes() {
		if other.Role == p.Role {
			count++
		}
	}
	return n.WaitFor(ctx, name, func(ctx context.Context) error {
		if err := Answers("http://" + n.Admins[name].Addr + "/readyz")(ctx); err != nil {
			return err
		}
		if p.Role == RoleProfile { // it is web that has links to it
			return nil
		}
		return Linked(n.Admins[RoleTerminator].Addr, map[string]int{p.Role: count})(ctx)
	})
}
