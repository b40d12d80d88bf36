package etcd

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// lease is one that is kept alive by whoever calls prolong in time. The library's
// KeepAlive looks at two clocks twice a second each for what is due each third of
// the TTL: most of what an idle process wakes for. And its lessor stops for good
// after certain errors, such as a token that has become invalid.
type lease struct {
	c   *Client
	id  clientv3.LeaseID
	ttl time.Duration

	until  time.Time // it lives until then, if nobody revokes it
	stream pb.Lease_LeaseKeepAliveClient
	end    context.CancelFunc // of the stream
}

func (l *lease) granted(now time.Time) { l.until = now.Add(l.ttl) }

// prolong has the TTL begin anew. The error is errLeaseLost when that is of no use
// any more; after another one it may be called again. ctx bounds the stream too, which
// stays for the next call: with a user, each new one has the server check the password.
func (l *lease) prolong(ctx context.Context) error {
	began := time.Now()
	err := l.c.call(ctx, func(call context.Context, cl *clientv3.Client) (err error) {
		if l.stream == nil {
			var of context.Context
			of, l.end = context.WithCancel(ctx)
			defer context.AfterFunc(call, l.end)()
			l.stream, err = pb.NewLeaseClient(cl.ActiveConnection()).LeaseKeepAlive(of, grpc.WaitForReady(true))
			if err != nil {
				return err
			}
		} else {
			defer context.AfterFunc(call, l.end)()
		}
		if err = l.stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(l.id)}); err != nil {
			return err
		}
		resp, err := l.stream.Recv()
		if err == nil && resp.TTL <= 0 {
			err = rpctypes.ErrLeaseNotFound
		}
		return err
	})
	switch {
	case err == nil:
		l.granted(began)
		return nil
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return errLeaseLost
	}
	l.close()
	if !time.Now().Before(l.until) {
		return errLeaseLost
	}
	return err
}

// close ends the stream, and not the lease.
func (l *lease) close() {
	if l.end != nil {
		l.end()
	}
	l.stream, l.end = nil, nil
}
