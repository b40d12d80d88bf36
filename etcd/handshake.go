package etcd

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// handshakes is TLS for gRPC that remembers why the last handshake failed.
// gRPC retries in the background, and what a call returns in the end is that
// its time is over, which is no help to somebody with the wrong authority.
type handshakes struct {
	credentials.TransportCredentials
	last *atomic.Pointer[error] // shared by all clones; nil after a success
}

func newHandshakes(cfg *tls.Config) handshakes {
	return handshakes{credentials.NewTLS(cfg), new(atomic.Pointer[error])}
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshakes) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, conn)
	switch {
	case err == nil:
		h.last.Store(nil)
	case ctx.Err() == nil:
		h.last.Store(&err)
	}
	return c, info, err
}

// Clone implements credentials.TransportCredentials.
func (h handshakes) Clone() credentials.TransportCredentials {
	return handshakes{h.TransportCredentials.Clone(), h.last}
}

// failure is why the last handshake failed, nil if it didn't.
func (h handshakes) failure() error {
	if h.last == nil {
		return nil
	}
	if p := h.last.Load(); p != nil {
		return *p
	}
	return nil
}
