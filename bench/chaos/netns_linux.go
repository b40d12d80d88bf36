package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"nanofront/registry"
)

// The namespace, its link, and the handler in it, which only the link reaches.
const (
	netns     = "nanofront-chaos"
	hostLink  = "nanofront-c0"
	farLink   = "nanofront-c1"
	hostAddr  = "10.213.77.1/30"
	farIP     = "10.213.77.2"
	farName   = "elsewhere"
	farPort   = "7000"
	ipTimeout = 5 * time.Second
)

// ip runs ip(8).
func ip(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ipTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}

// inNetns runs ip(8) in the namespace.
func inNetns(ctx context.Context, args ...string) error {
	return ip(ctx, append([]string{"-n", netns}, args...)...)
}

// elsewhere starts a fourth handler in a network namespace of its own.
func elsewhere(ctx context.Context, b *bed) error {
	_ = ip(ctx, "netns", "del", netns) // of a run that was killed
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: a network namespace needs root", errSkip)
	}
	if err := hasEtcdctl(); err != nil {
		return err
	}
	if err := ip(ctx, "netns", "add", netns); err != nil {
		return fmt.Errorf("%w: %w (package iproute2)", errSkip, err)
	}
	for _, args := range [][]string{
		{"link", "add", hostLink, "type", "veth", "peer", "name", farLink, "netns", netns},
		{"addr", "add", hostAddr, "dev", hostLink},
		{"link", "set", hostLink, "up"},
		{"-n", netns, "addr", "add", farIP + "/30", "dev", farLink},
		{"-n", netns, "link", "set", "lo", "up"},
		{"-n", netns, "link", "set", farLink, "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return fmt.Errorf("%w: %w", errSkip, err)
		}
	}
	table := filepath.Join(b.dir, "nobody.yaml") // it can't reach etcd: it is registered by us
	if err := os.WriteFile(table, []byte("version: 1\ninstances: []\n"), 0o600); err != nil {
		return err
	}
	addr := "tcp://" + farIP + ":" + farPort
	spec := b.handlerSpec(farName, "--bus", addr, "--static", table)
	spec.Path, spec.Args = "ip", append([]string{"netns", "exec", netns, spec.Path}, spec.Args...)
	if err := b.register(ctx, []registry.Instance{{Service: service, ID: farName, Address: addr, Window: 1024, Started: time.Now()}}); err != nil {
		return err
	}
	return b.startMore(ctx, spec, 1)
}

// gone ends what elsewhere has started.
func gone(ctx context.Context, b *bed) error {
	if b.more == nil {
		return nil // it hasn't begun
	}
	b.stopMore()
	return errors.Join(b.unregister(ctx, farName), ip(ctx, "netns", "del", netns))
}

func partition(ctx context.Context, _ *bed) error {
	return inNetns(ctx, "link", "set", farLink, "down")
}

func reunite(ctx context.Context, _ *bed) error { return inNetns(ctx, "link", "set", farLink, "up") }
