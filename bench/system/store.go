package system

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"nanofront/internal/process"
)

// DefaultMembers is how many members the profile's store has: enough for ids to be spread, few
// enough to be made within seconds.
const DefaultMembers = 20_000

// storeComplete is a file in a store that was made to its end.
const storeComplete = "complete"

// Store makes a store with so many members, or takes one that a former call has made with the same
// handler program, and copies it to dir/profile, whose name it returns. What was made is kept in
// cache, one store at a time.
func Store(ctx context.Context, bin, cache, dir string, members int) (string, error) {
	key, err := storeKey(filepath.Join(bin, "handler"), members)
	if err != nil {
		return "", err
	}
	made := filepath.Join(cache, key)
	if _, err := os.Stat(filepath.Join(made, storeComplete)); err != nil {
		if err := makeStore(ctx, bin, cache, made, members); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "profile")
	if err := os.CopyFS(data, os.DirFS(made)); err != nil {
		return "", fmt.Errorf("system: copying the store: %w", err)
	}
	return data, os.Remove(filepath.Join(data, storeComplete))
}

// storeKey names a store by the program that makes it: another one may make other members.
func storeKey(handler string, members int) (string, error) {
	f, err := os.Open(handler)
	if err != nil {
		return "", fmt.Errorf("system: %w: make build builds the programs", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("system: %w", err)
	}
	return fmt.Sprintf("store-%d-%s", members, hex.EncodeToString(h.Sum(nil))[:16]), nil
}

func makeStore(ctx context.Context, bin, cache, made string, members int) (err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("system: %w", err)
	}
	dir, err := os.MkdirTemp(cache, "making-*")
	if err != nil {
		return fmt.Errorf("system: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is good was moved away
	addrs, err := FreeAddrs(2)
	if err != nil {
		return err
	}
	h := handlerSpec{name: "profile-1", role: RoleProfile, bus: addrs[0], admin: addrs[1]}
	table, data := filepath.Join(dir, "table.yaml"), filepath.Join(dir, "profile")
	if err := os.WriteFile(table, []byte(tableOf([]handlerSpec{h})), 0o600); err != nil {
		return fmt.Errorf("system: %w", err)
	}
	g := NewGroup()
	defer g.Stop()
	p, err := g.Start(process.Spec{
		Name: h.name, Role: h.role, Path: filepath.Join(bin, "handler"), Grace: 30 * time.Second,
		Args: []string{
			h.role, "--instance", h.name, "--bus", "tcp://" + h.bus, "--admin", h.admin, "--static", table, "--statsd=",
			"--log-level", "warn", "--data", data, "--seed", strconv.Itoa(members),
		},
	})
	if err != nil {
		return err
	}
	if err := g.WaitFor(ctx, "a store with members", Answers("http://"+h.admin+"/readyz")); err != nil {
		return err
	}
	p.End()
	if err := os.WriteFile(filepath.Join(data, storeComplete), nil, 0o600); err != nil {
		return fmt.Errorf("system: %w", err)
	}
	removeOldStores(cache)
	if err := os.Rename(data, made); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("system: %w", err)
	}
	return nil
}

// staleAfter is how long a store that no program makes any more is left alone: another benchmark
// may copy it.
const staleAfter = time.Hour

func removeOldStores(cache string) {
	old, _ := filepath.Glob(filepath.Join(cache, "store-*")) // the pattern is sound
	unfinished, _ := filepath.Glob(filepath.Join(cache, "making-*"))
	for _, name := range append(old, unfinished...) {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.RemoveAll(name) // a cache
		}
	}
}
