package nanobus

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	_ "go.nanomsg.org/mangos/v3/transport/tlstcp" // stock transport, for stock peers

	"nanofront/nanobus/wire"
)

const tlsTCP = "tls+tcp://127.0.0.1:0"

// authority signs certificates.
type authority struct {
	t    testing.TB
	file string // its certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial atomic.Int64

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(template, template, nil)
	a.cert, _ = x509.ParseCertificate(der)
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// issue makes a certificate for 127.0.0.1 and bus.test, and returns the files
// as options have them. change makes it another one.
func (a *authority) issue(change func(c *x509.Certificate)) TLS {
	a.t.Helper()
	dir := a.t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: a.file}
	a.issueTo(files, change)
	return files
}

func (a *authority) issueTo(files TLS, change func(c *x509.Certificate)) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: "bus"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"bus.test"},
	}
	if change != nil {
		change(template)
	}
	der, key := a.sign(template, a.cert, a.key)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, files.Cert, "CERTIFICATE", der)
	writePEM(a.t, files.Key, "PRIVATE KEY", raw)
}

// writePEM replaces a file by renaming, as whoever rotates certificates does.
func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

func TestTLS_RequestReply(t *testing.T) {
	ca := newAuthority(t)
	_, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: ca.issue(nil)}}, tlsTCP)
	if !strings.HasPrefix(in.Address, "tls+tcp://127.0.0.1:") {
		t.Errorf("address to announce: %s", in.Address)
	}
	b := newBus(t, Options{Service: "caller", Instance: "c", Security: Security{TLS: ca.issue(nil), Secret: nil}})
	linkUp(t, b, in)
	const tlsRecord = 16 << 10
	for _, size := range []int{0, 1, 100, tlsRecord - 1, tlsRecord, 65536, 900_000, MaxPayload} {
		want := string(bytes.Repeat([]byte{'x'}, size))
		if got, err := call(t, b, want, patience); err != nil || got != want {
			t.Errorf("%d bytes: got %d bytes, %v", size, len(got), err)
		}
	}
}

// Certificates of servers alone, and the shared secret for callers.
func TestTLS_WithTheSecretInPlaceOfClientCertificates(t *testing.T) {
	ca := newAuthority(t)
	own := ca.issue(nil)
	own.CA = ""
	_, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: own, Secret: secretA.Secret}}, tlsTCP)
	b := newBus(t, Options{Security: Security{TLS: TLS{CA: ca.file}, Secret: secretA.Secret}})
	linkUp(t, b, in)
	if got, err := call(t, b, "hi", patience); err != nil || got != "hi" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTLS_WhoCantProveIsRefused(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	mixed := func(from *authority, change func(*x509.Certificate)) TLS {
		files := from.issue(change)
		files.CA = ca.file
		return files
	}
	good := ca.issue(nil)
	for name, c := range map[string]struct {
		server, caller TLS
		scheme         string
		atServer       string // why the server counts it
		log            string // in either log
	}{
		"no client certificate":      {good, TLS{CA: ca.file}, "tls+tcp", "tls", "didn't provide a certificate"},
		"foreign client certificate": {good, mixed(foreign, nil), "tls+tcp", "tls", "unknown authority"},
		"expired client certificate": {good, ca.issue(expired), "tls+tcp", "tls", "has expired"},
		"certificate not for clients": {good, ca.issue(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), "tls+tcp", "tls", "incompatible key usage"},
		"expired server certificate": {ca.issue(expired), good, "tls+tcp", "tls", "has expired"},
		"foreign server certificate": {mixed(foreign, nil), good, "tls+tcp", "tls", "unknown authority"},
		"server of another name": {ca.issue(func(c *x509.Certificate) {
			c.IPAddresses = nil
		}), good, "tls+tcp", "tls", "doesn't contain any IP SANs"},
		"plain tcp to a TLS port": {good, good, "tcp", "tls", "first record does not look like a TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log journal
			s, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: c.server}, Logger: log.logger()}, tlsTCP)
			in.Address = c.scheme + strings.TrimPrefix(in.Address, "tls+tcp")
			b := newBus(t, Options{Security: Security{TLS: c.caller}, Logger: log.logger()})
			if err := b.SetInstances([]Instance{in}); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "counted by the server", func() bool { return refusedFor(s, c.atServer) > 0 })
			waitFor(t, "said why", func() bool { return strings.Contains(log.String(), c.log) })
			if c.scheme == "tls+tcp" {
				waitFor(t, "counted by the caller", func() bool { return refusedFor(b, "tls") > 0 })
			}
			if n := b.Service("s").Live(); n != 0 {
				t.Errorf("%d live", n)
			}
		})
	}
}

// What is refused on a TLS port is nobody else's trouble.
func TestTLS_HostilePeersHurtOnlyThemselves(t *testing.T) {
	ca := newAuthority(t)
	s, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: ca.issue(nil)}}, tlsTCP)
	good := newBus(t, Options{Security: Security{TLS: ca.issue(nil)}})
	linkUp(t, good, in)
	addr := "tcp://" + strings.TrimPrefix(in.Address, "tls+tcp://")
	silent := connectTo(t, addr) // and stays so
	for range 20 {
		c := connectTo(t, addr)
		_ = c.raw(bytes.Repeat([]byte("garbage "), 100))
		c.closed()
	}
	old, err := tls.Dial("tcp", strings.TrimPrefix(addr, "tcp://"), &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	if err == nil {
		_ = old.Close()
		t.Error("TLS 1.2 is spoken")
	}
	waitFor(t, "all counted", func() bool { return refusedFor(s, "tls") == 21 })
	if got, err := call(t, good, "hi", patience); err != nil || got != "hi" {
		t.Errorf("got %q, %v", got, err)
	}
	silent.closed()
	waitFor(t, "the silent one too", func() bool { return refusedFor(s, "handshake_timeout") == 1 })
}

func TestTLS_ServerName(t *testing.T) {
	ca := newAuthority(t)
	named := ca.issue(func(c *x509.Certificate) { c.IPAddresses = nil })
	_, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: named}}, tlsTCP)
	mine := ca.issue(nil)
	mine.ServerName = "bus.test"
	b := newBus(t, Options{Security: Security{TLS: mine}})
	linkUp(t, b, in)
}

// Certificates change without a restart: links that are there stay, new ones
// use the new files; files that don't fit each other yet change nothing.
func TestTLS_FilesAreReadAgain(t *testing.T) {
	ca := newAuthority(t)
	var log journal
	files := ca.issue(nil)
	_, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: files}, Logger: log.logger()}, tlsTCP)
	mine := ca.issue(nil)
	b := newBus(t, Options{Security: Security{TLS: mine}})
	linkUp(t, b, in)
	pair, err := tls.LoadX509KeyPair(mine.Cert, mine.Key)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(in.Address, "tls+tcp://"), &tls.Config{
			Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := shown()
	// The key alone: nothing that could be used.
	key, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Key, append([]byte("half a file"), key[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the fault noticed", func() bool {
		if got := shown(); got != before {
			t.Fatalf("shows certificate %s", got)
		}
		return strings.Contains(log.String(), "the previous ones stay in use")
	})
	ca.issueTo(files, nil)
	waitFor(t, "the new certificate", func() bool { return shown() != before })
	if got, err := call(t, b, "hi", patience); err != nil || got != "hi" {
		t.Errorf("over the old link: %q, %v", got, err)
	}
}

func TestTLS_BadFilesAreNamed(t *testing.T) {
	ca := newAuthority(t)
	good, other := ca.issue(nil), ca.issue(nil)
	for want, files := range map[string]TLS{
		"belong together": {Cert: good.Cert},
		good.Cert + ", --bus-key " + other.Key + ": tls: private key does not match public key": {Cert: good.Cert, Key: other.Key},
		"no such file":                {CA: filepath.Join(t.TempDir(), "none.pem")},
		"has no certificate in PEM":   {CA: good.Key},
		"failed to find any PEM data": {Cert: "tls_test.go", Key: good.Key},
	} {
		if _, err := New(Options{Security: Security{TLS: files}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", files, err, want)
		}
	}
	b := newBus(t, Options{})
	if _, err := b.Listen(tlsTCP); err == nil || !strings.Contains(err.Error(), "give --bus-cert and --bus-key") {
		t.Errorf("listening without a certificate: %v", err)
	}
}

// stockTLS is a configuration as programs with stock sockets make it.
func stockTLS(t *testing.T, files TLS) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12,
	}
}

func TestInterop_StockMangosOverTLSAsHandler(t *testing.T) {
	ca := newAuthority(t)
	s := stockPeer(t)
	probe := openHouse(t) // the stock listener doesn't say which port it got
	addr := "tls+tcp://" + probe.Addr().String()
	_ = probe.Close()
	if err := s.ListenOptions(addr, map[string]any{mangos.OptionTLSConfig: stockTLS(t, ca.issue(nil))}); err != nil {
		t.Fatal(err)
	}
	b := newBus(t, Options{Security: Security{TLS: ca.issue(nil)}})
	if err := b.SetInstances([]Instance{{Service: "s", ID: "stock", Address: addr}}); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	send(t, s, (&wire.Hello{Version: wire.ProtocolVersion, Window: 10, Service: "s", Instance: "stock"}).AppendTo(nil))
	waitFor(t, "linked", func() bool { return b.Service("s").Live() == 1 })
	c := NewCall()
	payload := strings.Repeat("p", 50_000)
	if err := b.Service("s").Go(c, Bytes(payload), patience); err != nil {
		t.Fatal(err)
	}
	req := recvFrame(t, s, wire.KindRequest)
	if got := string(req.Body[wire.RequestFixed:]); got != payload {
		t.Errorf("request of %d bytes", len(got))
	}
	send(t, s, frameOf(wire.KindResponse, 0, req.ID, append(make([]byte, wire.ResponseFixed), "pong"...)...))
	c.Wait()
	if c.Err != nil || string(c.Payload) != "pong" {
		t.Errorf("got %q, %v", c.Payload, c.Err)
	}
	c.Release()
}

func TestInterop_StockMangosOverTLSAsCaller(t *testing.T) {
	ca := newAuthority(t)
	_, in := server(t, "1", Options{Serve: echo, Security: Security{TLS: ca.issue(nil)}}, tlsTCP)
	s := stockPeer(t)
	if err := s.DialOptions(in.Address, map[string]any{mangos.OptionTLSConfig: stockTLS(t, ca.issue(nil))}); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	send(t, s, helloOf("stock", "1"))
	send(t, s, requestOf(7, "ping"))
	if f := recvFrame(t, s, wire.KindResponse); f.ID != 7 || string(f.Body[wire.ResponseFixed:]) != "ping" {
		t.Errorf("response to %d: %q", f.ID, f.Body)
	}
}
