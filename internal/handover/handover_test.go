package handover

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func only(l *net.TCPListener) map[string]*net.TCPListener {
	return map[string]*net.TCPListener{"http": l}
}

func TestHandover_KeepsWhatWaitsToBeAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, b := listen(t), listen(t)
	offer, err := Serve(path, map[string]*net.TCPListener{"http": a, "other": b})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = offer.Close() }()
	// A client that connects while nobody accepts.
	client, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	heir, err := Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	http, other := heir.Listener("http"), heir.Listener("other")
	if http == nil || other == nil || http.Addr().String() != a.Addr().String() || other.Addr().String() != b.Addr().String() {
		t.Fatalf("got %v and %v", http, other)
	}
	if again := heir.Listener("http"); again != nil {
		t.Errorf("a listener was taken twice: %v", again)
	}
	defer func() { _ = errors.Join(http.Close(), other.Close()) }()
	if err := heir.Ready(nil); err != nil {
		t.Fatal(err)
	}
	<-offer.Taken()
	_ = a.Close()
	_ = b.Close()
	if err := http.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := http.Accept()
	if err != nil {
		t.Fatalf("the waiting connection was lost: %v", err)
	}
	_ = c.Close()
	// The successor offers in its turn, at the same path.
	next, err := Serve(path, map[string]*net.TCPListener{"http": http})
	if err != nil {
		t.Fatal(err)
	}
	_ = next.Close()
	_ = next.Close()
}

func TestHandover_SuccessorThatDiesChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t)
	offer, err := Serve(path, only(l))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = offer.Close() }()
	heir, err := Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = heir.Close()
	select {
	case <-offer.Taken():
		t.Fatal("taken by one that never was ready")
	default:
	}
	// The offer stands, and the listener works.
	heir, err = Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = heir.Close()
	go func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_ = c.Close()
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestHandover_NobodyAndBadPaths(t *testing.T) {
	dir := t.TempDir()
	if _, err := Take(context.Background(), filepath.Join(dir, "none")); !errors.Is(err, ErrNobody) {
		t.Errorf("no socket: got %v", err)
	}
	path := filepath.Join(dir, "s")
	offer, err := Serve(path, only(listen(t)))
	if err != nil {
		t.Fatal(err)
	}
	_ = offer.Close()
	if _, err := Take(context.Background(), path); !errors.Is(err, ErrNobody) {
		t.Errorf("a socket that nobody serves: got %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(file, only(listen(t))); err == nil || !strings.Contains(err.Error(), "isn't a socket") {
		t.Errorf("a file: got %v", err)
	}
	if _, err := Serve(path, nil); err == nil {
		t.Error("no listeners: no error")
	}
}

// oldServe is the offer of a build that knows no names, as it was: one byte with the sockets, 'R',
// 'L'.
func oldServe(t *testing.T, path string, listeners ...*net.TCPListener) (taken chan bool) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	taken = make(chan bool, 1)
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			var b [1]byte
			if send(c, []byte{byteSockets}, listeners) == nil {
				if n, _ := c.Read(b[:]); n == 1 && b[0] == byteReady {
					_, _ = c.Write([]byte{byteLeaving})
					taken <- true
				}
			}
			_ = c.Close()
		}
	}()
	return taken
}

// A build with names takes over from one without.
func TestHandover_FromABuildWithoutNames(t *testing.T) {
	for _, n := range []int{1, 2} {
		path := filepath.Join(t.TempDir(), "s")
		offered := []*net.TCPListener{listen(t), listen(t)}[:n]
		taken := oldServe(t, path, offered...)
		heir, err := Take(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range positions {
			l := heir.Listener(name)
			if (l != nil) != (i < n) || l != nil && l.Addr().String() != offered[i].Addr().String() {
				t.Errorf("of %d: %q is %v", n, name, l)
			}
			if l != nil {
				_ = l.Close()
			}
		}
		if err := heir.Ready(nil); err != nil {
			t.Fatal(err)
		}
		if !<-taken {
			t.Error("not taken")
		}
	}
}

// A build without names takes over from one with, and gets what it knows in its positions, whatever
// else there is.
func TestHandover_ToABuildWithoutNames(t *testing.T) {
	a, b, c := listen(t), listen(t), listen(t)
	for _, x := range []struct {
		offered map[string]*net.TCPListener
		want    []*net.TCPListener
	}{
		{map[string]*net.TCPListener{"http": a, "admin": b, "a-third": c}, []*net.TCPListener{a, b}},
		{map[string]*net.TCPListener{"http": a, "https": b}, []*net.TCPListener{a}},
		{map[string]*net.TCPListener{"admin": b}, nil},
	} {
		path := filepath.Join(t.TempDir(), "s")
		offer, err := Serve(path, x.offered)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		h := &Heir{c: conn}
		message, files, err := h.read(1)
		if err != nil || message[0] != byteSockets || len(files) != len(x.want) {
			t.Fatalf("%q, %d sockets, %v: want %d", message, len(files), err, len(x.want))
		}
		for i, f := range files {
			l, err := net.FileListener(f)
			if err != nil || l.Addr().String() != x.want[i].Addr().String() {
				t.Errorf("%d: %v, %v", i, l, err)
			}
			_ = l.Close()
		}
		closeAll(files)
		if err := h.Ready(nil); err != nil {
			t.Error(err)
		}
		<-offer.Taken()
		_ = offer.Close()
	}
}

// What is inherited and not wanted is closed: nobody would serve it.
func TestHandover_ClosesWhatNobodyTakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, b := listen(t), listen(t)
	offer, err := Serve(path, map[string]*net.TCPListener{"http": a, "admin": b})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = offer.Close() }()
	heir, err := Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	http := heir.Listener("http")
	defer func() { _ = http.Close() }()
	if err := heir.Ready(nil); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	if c, err := net.Dial("tcp", b.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the listener that nobody took is open")
	}
}

func TestServe_Names(t *testing.T) {
	for _, name := range []string{"", "a\nb", strings.Repeat("x", maxNames)} {
		if _, err := Serve(filepath.Join(t.TempDir(), "s"), map[string]*net.TCPListener{name: listen(t)}); err == nil || !strings.Contains(err.Error(), "isn't a valid name") {
			t.Errorf("%.10q: %v", name, err)
		}
	}
}
