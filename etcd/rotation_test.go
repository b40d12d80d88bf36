package etcd

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A client certificate that ends is said to have ended, and the one that
// replaces it in its file is used without a restart.
func TestRotation_ClientCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca := newAuthority(t, dir, "ca")
	ca.issue(t, dir, "server")
	end := time.Now().Add(4 * time.Second)
	ca.issueFor(t, dir, "client", func(c *x509.Certificate) { c.NotAfter = end })

	o := fast(filepath.Join(dir, "data"), "https://"+freeAddr(t))
	o.CertFile, o.KeyFile, o.CAFile = file("server.crt"), file("server.key"), file("ca.crt")
	s := startNode(t, o)
	c := open(t, Options{
		Endpoints: []string{s.opts.ClientURL}, CAFile: file("ca.crt"), CertFile: file("client.crt"), KeyFile: file("client.key"),
		DialTimeout: 2 * time.Second,
	})
	r := register(t, c, inst("a"))
	ready(t, r)
	if err := r.Err(); err != nil {
		t.Errorf("registered, and Err is %v", err)
	}
	eventually(t, "the certificate has ended", func() bool { return time.Now().After(end.Add(time.Second)) })
	s.restart(t, "") // so that connections are made anew

	wants := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "TLS with "+s.opts.ClientURL) &&
			strings.Contains(err.Error(), file("client.crt")+" ended on "+end.UTC().Format("2006-01-02 15:04"))
	}
	eventually(t, "a call says that the certificate has ended", func() bool {
		_, err := c.Instances(t.Context())
		return wants(err) && errors.Is(err, ErrUnreachable)
	})
	eventually(t, "the registration is lost, and says the same", func() bool { return wants(r.Err()) })
	eventually(t, "the client says so", func() bool { return wants(c.Err()) })
	eventually(t, "the log says so, too", func() bool { return contains(c.log, file("client.crt")+" ended on") })
	if strings.Contains(r.Err().Error(), "is it running") {
		t.Errorf("Err asks whether it runs: %v", r.Err())
	}

	ca.issue(t, dir, "client")
	eventually(t, "the renewed certificate is used", c.Healthy)
	if err := c.Err(); err != nil {
		t.Errorf("healthy, and Err is %v", err)
	}
	eventually(t, "the registration is back", func() bool { return r.Err() == nil })
}

// The authorities are read again as well.
func TestRotation_Authority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	newAuthority(t, dir, "ca").issue(t, dir, "server")
	o := fast(filepath.Join(dir, "data"), "https://"+freeAddr(t))
	o.CertFile, o.KeyFile = file("server.crt"), file("server.key")
	s := startNode(t, o)
	c := open(t, Options{Endpoints: []string{s.opts.ClientURL}, CAFile: file("ca.crt"), DialTimeout: 2 * time.Second})
	eventually(t, "connected", c.Healthy)

	newAuthority(t, dir, "ca").issue(t, dir, "server")
	s.restart(t, "")
	eventually(t, "connected with the new authority", func() bool {
		_, err := c.Instances(t.Context())
		return err == nil
	})
}

// A password that was changed, at etcd and in its file, is used without a
// restart.
func TestRotation_Password(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	root := openOn(t, s)
	enableAuth(t, root)
	root = open(t, Options{Endpoints: []string{s.opts.ClientURL}, Username: "root", Password: "root"})
	eventually(t, "root is connected", root.Healthy)

	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int32
	c := open(t, Options{Endpoints: []string{s.opts.ClientURL}, Username: "nanofront", PasswordFrom: func() (string, error) {
		reads.Add(1)
		b, err := os.ReadFile(password)
		return string(b), err
	}, DialTimeout: 2 * time.Second})
	r := register(t, c, inst("a"))
	ready(t, r)

	if _, err := root.session.Load().UserChangePassword(t.Context(), "nanofront", "changed"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old password is refused", func() bool {
		_, err := c.Instances(t.Context())
		return errors.Is(err, ErrDenied)
	})
	// A file that is away for a moment is no new password.
	if err := os.Rename(password, password+".old"); err != nil {
		t.Fatal(err)
	}
	before := reads.Load()
	eventually(t, "the file is missed", func() bool { return reads.Load() > before && contains(c.log, "can't be read again") })
	if err := os.WriteFile(password, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new password is used", func() bool {
		_, err := c.Instances(t.Context())
		return err == nil
	})
	eventually(t, "the registration is back", func() bool { return r.Err() == nil })
	if contains(c.log, "changed") && strings.Contains(c.log.String(), `"changed"`) || contains(c.log, "secret") {
		t.Errorf("a password is in the log:\n%s", c.log)
	}
}
