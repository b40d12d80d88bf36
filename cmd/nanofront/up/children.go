package up

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"nanofront/internal/supervisor"
	"nanofront/registry"
)

// start starts all and returns when the system answers.
func (c *Command) start(ctx context.Context, s *supervisor.Supervisor, bin programs, routes *registry.Routes) error {
	s.Say("starting etcd, profile, web ×%d, echo ×%d and the terminator; data in %s", c.Web, c.Echo, c.Data)
	// All that ties the children together is said outright. They inherit the
	// environment, for what tunes them, and it may have these too: for up
	// itself (NANOFRONT_ADMIN), or for another system (NANOFRONT_STATIC).
	common := []string{"--statsd=" + c.Statsd, "--log-level", c.LogLevel, "--log-format", "json", "--system", c.system(), "--admin-announce="}
	discovery := []string{
		"--etcd", c.EtcdURL, "--etcd-prefix", c.EtcdPrefix, "--static=",
		"--etcd-user=", "--etcd-password-file=", "--etcd-cert=", "--etcd-key=", "--etcd-ca=",
	}
	bus, scheme := c.busFlags()
	err := s.Start(supervisor.Child{
		Name: "etcd", Path: bin.nanofront, Stage: stageEtcd, Grace: 2 * time.Second,
		Args: append([]string{
			"etcd", "--data", filepath.Join(c.Data, "etcd"), "--client-url", c.EtcdURL, "--admin=",
			"--name=", "--peer-url=", "--initial-cluster=", "--cert=", "--key=", "--ca=",
		}, common...),
	})
	if err != nil {
		return err
	}
	if err := c.seedRoutes(ctx, s, routes); err != nil {
		return err
	}
	handler := func(name, role string, stage int, args ...string) error {
		args = append([]string{
			role, "--instance", name, "--bus", scheme + "://127.0.0.1:0", "--advertise=", "--admin", "127.0.0.1:0",
			"--drain-timeout", handlerDrain.String(), "--service-version", firstVersion,
		}, args...)
		return s.Start(supervisor.Child{
			Name: name, Path: bin.handler, Args: slices.Concat(args, discovery, bus, common), Env: cores(max(1, runtime.GOMAXPROCS(0)/4)),
			Stage: stage, Grace: handlerDrain + childGrace,
		})
	}
	err = handler("profile-1", "profile", stageStore,
		"--data", filepath.Join(c.Data, "profile"), "--seed", strconv.Itoa(c.Seed), "--durability", c.Durability)
	for i := 1; err == nil && i <= c.Web; i++ {
		err = handler(fmt.Sprintf("web-%d", i), "web", stageHandlers)
	}
	for i := 1; err == nil && i <= c.Echo; i++ {
		err = handler(fmt.Sprintf("echo-%d", i), "echo", stageHandlers)
	}
	if err != nil {
		return err
	}
	err = s.Start(supervisor.Child{
		Name: "terminator", Path: bin.terminator, Env: cores(runtime.GOMAXPROCS(0)), Stage: stageTerminator, Grace: terminatorDrain + childGrace,
		Args: slices.Concat([]string{
			"--http", c.HTTP, "--admin", c.Admin, "--instance", "terminator-1",
			"--drain-timeout", terminatorDrain.String(), "--last-known=", "--drain-delay=0s", "--access-log=" + strconv.Itoa(c.AccessLog),
		}, discovery, bus, common),
	})
	if err == nil && c.Dash != "" {
		err = s.Start(supervisor.Child{
			Name: "dash", Path: bin.nanofront, Env: cores(1), Stage: stageTerminator, Grace: 2 * time.Second,
			Args: slices.Concat([]string{
				"dash", "--listen", c.Dash, "--admin", "127.0.0.1:0", "--token-file=", "--terminators=", "--hosts=", "--statsd-merged=" + strconv.FormatBool(c.StatsdMerged),
			}, discovery, common),
		})
	}
	if err == nil {
		err = s.Start(supervisor.Child{
			Name: "release", Path: bin.nanofront, Env: cores(1), Stage: stageTerminator, Grace: 2 * time.Second,
			Args: slices.Concat([]string{"release", "run", "--admin="}, discovery, common),
		})
	}
	if err != nil {
		return err
	}
	return c.ready(ctx, s)
}

// firstVersion is what the handlers announce, so that a release may follow.
const firstVersion = "1"

// busFlags are what the children are told of the bus, and what stands before
// their addresses.
func (c *Command) busFlags() (flags []string, scheme string) {
	scheme = "tcp"
	if c.BusCert != "" {
		scheme = "tls+tcp"
	}
	return []string{
		"--bus-cert=" + c.BusCert, "--bus-key=" + c.BusKey, "--bus-ca=" + c.BusCA,
		"--bus-server-name=" + c.BusServerName, "--bus-secret-file=" + c.BusSecretFile,
	}, scheme
}

// instances are how many there are to be.
func (c *Command) instances() int { return 1 + c.Web + c.Echo }

// cores has a process use n at once. It shares the machine's cores out: here several handlers run
// beside the terminator and, most likely, what loads it. Go's scheduler keeps looking for work on
// every core that it may use; with a core too many per process, that took a third of a handler's
// CPU time, out of its neighbours' share. The terminator may use all, and is told so: a process
// that isn't told asks the system for the limits of its control group once a second.
func cores(n int) []string {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil // whoever set it has thought about it
	}
	return []string{"GOMAXPROCS=" + strconv.Itoa(n)}
}
