package etcd

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// Instances lists the instances that are registered, sorted. Invalid records
// are left out.
func (c *Client) Instances(ctx context.Context) ([]registry.Instance, error) {
	out, err := list(ctx, c, c.keys.instances(), c.keys.decodeInstance)
	if err != nil {
		return out, err
	}
	intents, err := c.Intents(ctx)
	for _, i := range intents {
		for n := range out {
			if i.Apply(&out[n]) {
				break
			}
		}
	}
	registry.SortInstances(out)
	return out, err
}

// Processes lists the processes of all kinds that have announced themselves,
// sorted. Invalid records are left out.
func (c *Client) Processes(ctx context.Context) ([]registry.Process, error) {
	out, err := list(ctx, c, c.keys.processes(), c.keys.decodeProcess)
	registry.SortProcesses(out)
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
