package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// ErrUnknown tells that no process of that name is registered.
var ErrUnknown = errors.New("etcd: not registered")

// Intents lists what operators want of processes, sorted by their keys. Invalid records are left
// out.
func (c *Client) Intents(ctx context.Context) ([]registry.Intent, error) {
	return list(ctx, c, c.keys.intents(), c.keys.decodeIntent)
}

// Intend writes what an operator wants of a process that is registered, and removes what was wanted
// of processes that are gone. It takes effect at all callers at once, and ends with the process,
// not with its registration. The error wraps registry.ErrInvalidIntent or ErrUnknown.
func (c *Client) Intend(ctx context.Context, i registry.Intent) error {
	if err := i.Validate(); err != nil {
		return err
	}
	started, err := c.started(ctx)
	if err != nil {
		return err
	}
	key := c.keys.intent(i)
	at, ok := started[key]
	if !ok {
		return fmt.Errorf("%w: %s/%s", ErrUnknown, i.Service, i.ID)
	}
	i.Started = at
	value, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("etcd: %s: %w", key, err)
	}
	ops := []clientv3.Op{clientv3.OpPut(key, string(value))}
	old, err := c.Intents(ctx)
	if err != nil {
		return err
	}
	for _, o := range old {
		if k := c.keys.intent(o); k != key && !started[k].Equal(o.Started) && len(ops) < maxTxnOps {
			ops = append(ops, clientv3.OpDelete(k))
		}
	}
	return c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		_, err := cl.Txn(ctx).Then(ops...).Commit()
		return err
	})
}

// maxTxnOps is how much is done at once: etcd's own limit is 128.
const maxTxnOps = 100

// Unintend leaves the process to itself again. It reports whether anything was wanted of it.
func (c *Client) Unintend(ctx context.Context, i registry.Intent) (had bool, err error) {
	err = c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Delete(ctx, c.keys.intent(i))
		if err == nil {
			had = resp.Deleted > 0
		}
		return err
	})
	return had, err
}

// started says when each process started, by the key of an intent for it.
func (c *Client) started(ctx context.Context) (map[string]time.Time, error) {
	instances, err := list(ctx, c, c.keys.instances(), c.keys.decodeInstance)
	if err != nil {
		return nil, err
	}
	processes, err := c.Processes(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]time.Time)
	for _, in := range instances {
		out[c.keys.intent(registry.Intent{Service: in.Service, ID: in.ID})] = in.Started
	}
	for _, p := range processes {
		if p.Kind == registry.KindTerminator {
			out[c.keys.intent(registry.Intent{Service: p.Kind, ID: p.Name, Terminator: true})] = p.Started
		}
	}
	return out, nil
}
