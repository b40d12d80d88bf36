package etcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// enableAuth makes root and a user nanofront that may use our prefix.
func enableAuth(t *testing.T, c *client) {
	t.Helper()
	eventually(t, "connected", c.Healthy)
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	perm := clientv3.PermissionType(clientv3.PermReadWrite)
	must(c.session.Load().RoleAdd(ctx, "nanofront"))
	must(c.session.Load().RoleGrantPermission(ctx, "nanofront", DefaultPrefix, clientv3.GetPrefixRangeEnd(DefaultPrefix), perm))
	must(c.session.Load().UserAdd(ctx, "nanofront", "secret"))
	must(c.session.Load().UserGrantRole(ctx, "nanofront", "nanofront"))
	must(c.session.Load().UserAdd(ctx, "nobody", "secret"))
	must(c.session.Load().RoleAdd(ctx, "root"))
	must(c.session.Load().UserAdd(ctx, "root", "root"))
	must(c.session.Load().UserGrantRole(ctx, "root", "root"))
	must(c.session.Load().AuthEnable(ctx))
}

func TestAuth_UserAndPassword(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	enableAuth(t, openOn(t, s))
	as := func(user, password string) *client {
		return open(t, Options{Endpoints: []string{s.opts.ClientURL}, Username: user, Password: password})
	}
	c := as("nanofront", "secret")
	w := watch(t, c)
	r := register(t, c, inst("a"))
	ready(t, r)
	if _, err := c.SeedRoutes(t.Context(), routesTo("a")); err != nil {
		t.Fatal(err)
	}
	w.ids(t, "a")
	w.service(t, "a")

	for name, tt := range map[string]struct {
		c    *client
		want string
	}{
		"wrong password": {as("nanofront", "wrong"), `refuses user "nanofront": wrong user or password`},
		"no password":    {as("", ""), "wants a user and a password: give Options.Username and Password (--etcd-user"},
		"no permission":  {as("nobody", "secret"), `doesn't permit user "nobody" this: grant`},
	} {
		var err error
		eventually(t, name+" is denied", func() bool {
			_, err = tt.c.Instances(t.Context())
			return errors.Is(err, ErrDenied)
		})
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q in it", name, err, tt.want)
		}
	}

	// A restart forgets all tokens.
	s.restart(t, "")
	ready(t, register(t, c, inst("b")))
	w.ids(t, "a", "b")
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w.ids(t, "b")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	other := newAuthority(t, dir, "other")
	other.issue(t, dir, "stranger")
	file := func(name string) string { return filepath.Join(dir, name) }

	o := fast(filepath.Join(dir, "data"), "https://"+freeAddr(t))
	o.CertFile, o.KeyFile, o.CAFile = file("server.crt"), file("server.key"), file("ca.crt")
	s := startNode(t, o)
	endpoints := []string{s.opts.ClientURL}

	c := open(t, Options{Endpoints: endpoints, CAFile: file("ca.crt"), CertFile: file("client.crt"), KeyFile: file("client.key")})
	w := watch(t, c)
	ready(t, register(t, c, inst("a")))
	w.ids(t, "a")

	for name, o := range map[string]Options{
		"unknown authority":    {CAFile: file("other.crt"), CertFile: file("client.crt"), KeyFile: file("client.key")},
		"system's authorities": {CertFile: file("client.crt"), KeyFile: file("client.key")},
		"stranger":             {CAFile: file("ca.crt"), CertFile: file("stranger.crt"), KeyFile: file("stranger.key")},
		"no certificate":       {CAFile: file("ca.crt")},
	} {
		o.Endpoints, o.DialTimeout = endpoints, 300*time.Millisecond
		c := open(t, o)
		var err error
		// Why is known once a handshake has failed, which may take longer than
		// one call waits.
		eventually(t, name+" is told why", func() bool {
			if _, err = c.Instances(t.Context()); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("%s: error %v, want ErrUnreachable", name, err)
			}
			return !strings.Contains(name, "authorit") || strings.Contains(err.Error(), "TLS with")
		})
	}
	s.restart(t, "")
	ready(t, register(t, c, inst("b")))
	w.ids(t, "a", "b")
}

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{}
	a.key = newKey(t)
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
	return a
}

func (a *authority) issue(t *testing.T, dir, name string) {
	t.Helper()
	a.issueFor(t, dir, name, nil)
}

// issueFor is issue with something changed.
func (a *authority) issueFor(t *testing.T, dir, name string, change func(*x509.Certificate)) {
	t.Helper()
	key := newKey(t)
	tmpl := template(name)
	tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
	write(t, filepath.Join(dir, name+".key"), "EC PRIVATE KEY", pk)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
