package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// busFiles makes an authority and a certificate for 127.0.0.1, and returns the
// flags for them.
func busFiles(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bus"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
	return []string{"--bus-cert", cert, "--bus-key", keyFile, "--bus-ca", cert}
}

// TestUp_SecureBus runs the whole system with certificates and a secret on its
// bus, and lets a handler without either try to take part.
func TestUp_SecureBus(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, "a secret of the whole system\n")
	tls := busFiles(t)
	s := startUp(t, append([]string{"--bus-secret-file", secret}, tls...)...)
	ask(t, s.http, get("/profile/7")).wants(t, 200, "GET /profile/7")
	ask(t, s.http, get("/hello")).wants(t, 200, "GET /hello")

	common := []string{"echo", "--etcd", s.etcd, "--statsd=", "--admin="}
	plain := start(t, "handler", append(common, "--instance", "stranger")...)
	plain.says(t, "this process has none")
	wrong := filepath.Join(t.TempDir(), "wrong")
	writeFile(t, wrong, "another secret, of some other system\n")
	liar := start(t, "handler", append(append(common, "--instance", "liar", "--bus", "tls+tcp://127.0.0.1:0", "--bus-secret-file", wrong), tls...)...)
	liar.says(t, "the peer's proof is wrong")
	for _, name := range links(t, s.admin, "echo") {
		if name == "stranger" || name == "liar" {
			t.Errorf("the terminator is linked with %s", name)
		}
	}
	for range 50 {
		ask(t, s.http, get("/hello")).wants(t, 200, "GET /hello beside strangers")
	}
	for _, p := range []*process{plain, liar} {
		p.signal(t, syscall.SIGTERM)
		if code := p.wait(t, testutil.Patience); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		if out := p.out.String(); strings.Contains(out, "a secret of") || strings.Contains(out, "another secret") {
			t.Errorf("a secret in the log: %s", out)
		}
	}
}
