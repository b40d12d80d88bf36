package etcd

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ownerGrace is how much longer than a lease's life another owner's record must
// be there to be a living process': one that died leaves it for that life.
const ownerGrace = 2 * time.Second

// ensureOwner is ensure for an instance that shares its data with no other: it
// is the only one of its service. An earlier process with the same data, which
// can't be at work any more, makes room at once; one with other data doesn't.
func (r *Registration) ensureOwner(ctx context.Context, cl *clientv3.Client, mine record, opts []clientv3.OpOption) error {
	resp, err := cl.Get(ctx, mine.service, append(opts, clientv3.WithPrefix())...)
	if err != nil {
		return err
	}
	var own bool
	var others []clientv3.Op
	for _, kv := range resp.Kvs {
		if clientv3.LeaseID(kv.Lease) == r.lease {
			own = own || r.holds(kv, mine)
			continue
		}
		other, err := r.c.decode(string(kv.Key), kv.Value)
		switch {
		case err != nil: // nobody finds it
		case other.owner != mine.owner:
			return r.rival(other)
		case r.yields(mine, kv):
			return nil
		case string(kv.Key) != r.key: // else it is overwritten
			others = append(others, clientv3.OpDelete(string(kv.Key)))
		}
	}
	if own && len(others) == 0 {
		r.confirm()
		return nil
	}
	// Nothing of the service may have changed since it was read.
	unchanged := clientv3.Compare(clientv3.ModRevision(mine.service).WithPrefix(), "<", resp.Header.Revision+1)
	return r.put(ctx, cl, mine, unchanged, others...)
}

// rival is called while another process owns the service: it is waited for as
// long as it may only have left its record behind.
func (r *Registration) rival(other record) error {
	now, patience := time.Now(), r.ttl+ownerGrace
	if r.rivalSince.IsZero() {
		r.rivalSince = now
		r.c.opts.Logger.Warn().Str("key", r.key).Str("owner", other.name).Str("address", other.address).Stringer("patience", patience).
			Msg("etcd: the service has an owner with different data; unless that one ends, this process will be refused")
	}
	err := fmt.Errorf("%w: %s at %s, started %s, serves different data, so each would answer for only a part: end that one first, or start this one with its data",
		ErrOwned, other.name, other.address, other.started.UTC().Format(time.RFC3339))
	if now.Sub(r.rivalSince) > patience {
		return err
	}
	r.setState(err)
	return errRivalStays
}
