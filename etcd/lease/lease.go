// Package lease is a lease in etcd that its owner keeps alive, as package etcd and etcd/leader do.
package lease

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// ErrLost tells that a lease has ended.
var ErrLost = errors.New("etcd: lease lost")

// Call runs a request of a client of etcd.
type Call func(context.Context, func(context.Context, *clientv3.Client) error) error

// Lease is one that is kept alive by whoever calls Prolong in time. The library's
// KeepAlive looks at two clocks twice a second each for what is due each third of
// the TTL: most of what an idle process wakes for. And its lessor stops for good
// after certain errors, such as a token that has become invalid.
type Lease struct {
	Call Call
	ID   clientv3.LeaseID
	TTL  time.Duration

	until  time.Time // it lives until then, if nobody revokes it
	stream pb.Lease_LeaseKeepAliveClient
	end    context.CancelFunc // of the stream
}

// Granted says when the lease was asked for.
func (l *Lease) Granted(now time.Time) { l.until = now.Add(l.TTL) }

// Prolong has the TTL begin anew. The error is ErrLost when that is of no use
// any more; after another one it may be called again. ctx bounds the stream too, which
// stays for the next call: with a user, each new one has the server check the password.
func (l *Lease) Prolong(ctx context.Context) error {
	began := time.Now()
	err := l.Call(ctx, func(call context.Context, cl *clientv3.Client) (err error) {
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
		if err = l.stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(l.ID)}); err != nil {
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
		l.Granted(began)
		return nil
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return ErrLost
	}
	l.Close()
	if !time.Now().Before(l.until) {
		return ErrLost
	}
	return err
}

// Close ends the stream, and not the lease.
func (l *Lease) Close() {
	if l.end != nil {
		l.end()
	}
	l.stream, l.end = nil, nil
}
