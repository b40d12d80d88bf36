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

func TestHandover_KeepsWhatWaitsToBeAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, b := listen(t), listen(t)
	offer, err := Serve(path, a, b)
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
	if len(heir.Listeners) != 2 || heir.Listeners[0].Addr().String() != a.Addr().String() || heir.Listeners[1].Addr().String() != b.Addr().String() {
		t.Fatalf("got %v", heir.Listeners)
	}
	defer func() { _ = errors.Join(heir.Listeners[0].Close(), heir.Listeners[1].Close()) }()
	if err := heir.Ready(); err != nil {
		t.Fatal(err)
	}
	<-offer.Taken()
	_ = a.Close()
	_ = b.Close()
	if err := heir.Listeners[0].SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := heir.Listeners[0].Accept()
	if err != nil {
		t.Fatalf("the waiting connection was lost: %v", err)
	}
	_ = c.Close()
	// The successor offers in its turn, at the same path.
	next, err := Serve(path, heir.Listeners...)
	if err != nil {
		t.Fatal(err)
	}
	_ = next.Close()
	_ = next.Close()
}

func TestHandover_SuccessorThatDiesChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t)
	offer, err := Serve(path, l)
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
	offer, err := Serve(path, listen(t))
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
	if _, err := Serve(file, listen(t)); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: got %v", err)
	}
	if _, err := Serve(path); err == nil {
		t.Error("no listeners: no error")
	}
}
