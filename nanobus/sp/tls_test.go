package sp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"

	"nanofront/internal/tlsfiles"
)

// ownAuthority is a certificate for 127.0.0.1 that vouches for itself.
func ownAuthority(t *testing.T) tlsfiles.Files {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := tlsfiles.Files{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	files.CA = files.Cert
	for file, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// countedConn counts what is written to a connection, and how often.
type countedConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// crypto/tls writes each record by itself, so writes are records.
func TestTLS_OneRecordPerMessage(t *testing.T) {
	files, err := NewCredentials(ownAuthority(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	proto := (&core{}).Info()
	ends := make(chan *conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p, _ := newConn(c, transportOf{network: "tcp", tls: true}, proto, &Config{Credentials: files}, "")
		ends <- p
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	counted := &countedConn{Conn: raw}
	p, err := newConn(counted, transportOf{network: "tcp", tls: true}, proto, &Config{Credentials: files}, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far := <-ends
	defer func() { _ = p.Close(); _ = far.Close() }()
	for _, c := range []struct{ size, records int }{{0, 1}, {100, 1}, {4000, 1}, {tlsRecord - 8, 1}, {tlsRecord - 7, 2}, {60 << 10, 4}} {
		before := counted.writes.Load()
		m := mangos.NewMessage(c.size)
		m.Body = append(m.Body, bytes.Repeat([]byte{'x'}, c.size)...)
		if err := p.Send(m); err != nil {
			t.Fatal(err)
		}
		got, err := far.Recv()
		if err != nil || len(got.Body) != c.size {
			t.Fatalf("%d bytes: got %d, %v", c.size, len(got.Body), err)
		}
		got.Free()
		if n := counted.writes.Load() - before; n != int64(c.records) {
			t.Errorf("%d bytes: %d records, want %d", c.size, n, c.records)
		}
	}
}
