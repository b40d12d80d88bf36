package etcd

import (
	"cmp"
	"context"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// Instances lists the instances that are registered, sorted. Invalid records
// are left out.
func (c *Client) Instances(ctx context.Context) ([]registry.Instance, error) {
	out, err := list(ctx, c, c.keys.instances(), c.keys.decodeInstance)
	registry.SortInstances(out)
	return out, err
}

// Terminators lists the terminators that have announced themselves, sorted by
// their names. Invalid records are left out.
func (c *Client) Terminators(ctx context.Context) ([]registry.Terminator, error) {
	out, err := list(ctx, c, c.keys.terminators(), c.keys.decodeTerminator)
	slices.SortFunc(out, func(a, b registry.Terminator) int { return cmp.Compare(a.ID, b.ID) })
	return out, err
}

func list[T any](ctx context.Context, c *Client, prefix string, decode func(string, []byte) (T, error)) ([]T, error) {
	var resp *clientv3.GetResponse
	err := c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, prefix, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		if v, err := decode(string(kv.Key), kv.Value); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}
