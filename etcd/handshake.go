package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"nanofront/internal/tlsfiles"
)

// handshakes is TLS for gRPC. It takes certificate and authorities from their
// files for each connection, so that renewed ones are used without a restart.
// And it remembers why the last connection failed: gRPC retries in the
// background, and what a call returns in the end is that its time is over,
// which is no help to somebody with the wrong authority. The zero value stands
// for no TLS.
type handshakes struct {
	credentials.TransportCredentials // for all but the handshake

	files *tlsfiles.Reader
	own   string                 // the file of our certificate; "" for none
	last  *atomic.Pointer[error] // shared by all clones; nil after a success
}

func newHandshakes(files *tlsfiles.Reader, own string) handshakes {
	return handshakes{credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}), files, own, new(atomic.Pointer[error])}
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshakes) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cert, pool := h.files.Current()
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	c, info, err := credentials.NewTLS(cfg).ClientHandshake(ctx, authority, conn)
	if err != nil {
		if ctx.Err() == nil {
			h.last.Store(&err)
		}
		return c, info, err
	}
	return &verdict{Conn: c, last: h.last}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (h handshakes) Clone() credentials.TransportCredentials {
	h.TransportCredentials = h.TransportCredentials.Clone()
	return h
}

// verdict is a connection that notes what the other side says to our
// certificate. With TLS 1.3 the handshake is over for us by then: a refusal
// comes as the first thing that is read.
type verdict struct {
	net.Conn
	last *atomic.Pointer[error]
	seen bool // the reader's own
}

// Read implements net.Conn.
func (v *verdict) Read(b []byte) (int, error) {
	n, err := v.Conn.Read(b)
	if v.seen {
		return n, err
	}
	var op *net.OpError
	switch {
	case n > 0:
		v.seen = true
		v.last.Store(nil)
	case errors.As(err, &op) && op.Op == "remote error": // an alert, by crypto/tls
		v.seen = true
		v.last.Store(&err)
	}
	return n, err
}

// failure says why connections fail, as far as TLS has to do with it; "" if it
// hasn't.
func (h handshakes) failure(now time.Time) string {
	if h.last == nil {
		return ""
	}
	text := ""
	if p := h.last.Load(); p != nil {
		text = (*p).Error()
		var invalid x509.CertificateInvalidError
		if errors.As(*p, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && now.After(invalid.Cert.NotAfter) {
			text = fmt.Sprintf("the certificate of etcd or of its authority (%s) ended on %s", invalid.Cert.Subject, date(invalid.Cert.NotAfter))
		}
	}
	if own := h.expired(now); own != "" {
		if text != "" {
			own += " (" + text + ")"
		}
		return own
	}
	return text
}

// expired says that our own certificate isn't valid now, and since or until
// when; "" if it is.
func (h handshakes) expired(now time.Time) string {
	cert, _ := h.files.Current()
	if cert == nil || cert.Leaf == nil {
		return ""
	}
	switch leaf := cert.Leaf; {
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("the certificate in --etcd-cert %s ended on %s; a new one there is used as soon as it is seen", h.own, date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Sprintf("the certificate in --etcd-cert %s begins only on %s", h.own, date(leaf.NotBefore))
	}
	return ""
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
