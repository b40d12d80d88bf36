package etcd

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// stock is an etcd server as it is packaged, of another version than ours.
type stock struct {
	url string
	cmd *exec.Cmd
	arg []string
	out *buffer
}

// startStock starts the packaged server. Debian's is a 3.4.
func startStock(t *testing.T) *stock {
	t.Helper()
	program := testutil.Command(t, "etcd", "etcd-server")
	url, peer := "http://"+freeAddr(t), "http://"+freeAddr(t)
	s := &stock{url: url, arg: []string{
		program, "--data-dir", filepath.Join(t.TempDir(), "etcd"), "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, "--bcrypt-cost", "4",
	}, out: &buffer{}}
	s.start(t)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server:\n%.4000s", s.out)
		}
	})
	return s
}

func (s *stock) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(s.arg[0], s.arg[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "the packaged etcd serves", func() bool {
		resp, err := client.Get(s.url + "/health")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return strings.Contains(b.String(), "true")
	})
}

// stop ends it in order, so that it remembers what it has done: killed, it may
// do it again when it starts, and know its tokens then.
func (s *stock) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // ended by a signal
}

// A server before 3.5 that was restarted refuses every new token to a client
// that still shows an old one, and the library shows it for ever.
func TestStock_AuthAndARestart(t *testing.T) {
	t.Parallel()
	s := startStock(t)
	enableAuth(t, open(t, Options{Endpoints: []string{s.url}}))
	type one struct {
		*client
		w *watching
		r interface{ Err() error }
	}
	var all []one
	var names []string
	for _, name := range []string{"a", "b", "c", "d"} {
		c := open(t, Options{Endpoints: []string{s.url}, Username: "nanofront", Password: "secret", DialTimeout: 2 * time.Second})
		r := register(t, c, inst(name))
		ready(t, r)
		all = append(all, one{c, watch(t, c), r})
		names = append(names, name)
	}
	for _, c := range all {
		c.w.ids(t, names...)
	}
	for range 2 {
		s.stop()
		s.start(t)
		began := time.Now()
		for i, c := range all {
			eventually(t, names[i]+" is back", func() bool {
				_, err := c.Instances(t.Context())
				return err == nil && c.Healthy() && c.r.Err() == nil
			})
		}
		t.Logf("all clients are back after %v", time.Since(began).Round(10*time.Millisecond))
	}
	// Else the server has kept its tokens, and nothing was tried.
	if !slices.ContainsFunc(all, func(c one) bool { return contains(c.log, "the session has become unusable") }) {
		t.Error("no session was poisoned")
	}
	late := open(t, Options{Endpoints: []string{s.url}, Username: "nanofront", Password: "secret"})
	ready(t, register(t, late, inst("late")))
	for _, c := range all {
		c.w.ids(t, append(names[:len(names):len(names)], "late")...)
	}
}
