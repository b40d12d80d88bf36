package handover

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair is a connection's two ends, and the descriptor of the one that is to pass.
func pair(t *testing.T) (client net.Conn, fd int) {
	t.Helper()
	l := listen(t)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	fd, err = syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	return client, fd
}

// handedOver makes an offer and its heir, which has said that it is ready.
func handedOver(t *testing.T, take func([]int, []byte) int) (*Offer, *Heir) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	offer, err := Serve(path, only(listen(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = offer.Close() })
	heir, err := Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heir.Close() })
	if err := heir.Ready(take); err != nil {
		t.Fatal(err)
	}
	<-offer.Taken()
	return offer, heir
}

// Connections pass, with what is unread in them, and those that aren't taken stay open here.
func TestPassage(t *testing.T) {
	type passed struct {
		fds  []int
		note string
	}
	got := make(chan passed, 2)
	offer, heir := handedOver(t, func(fds []int, note []byte) int {
		got <- passed{fds, string(note)}
		return min(len(fds), 2)
	})
	p := offer.Passage()
	if p == nil {
		t.Fatal("there is no passage")
	}
	var clients [3]net.Conn
	var fds [3]int
	for i := range clients {
		clients[i], fds[i] = pair(t)
	}
	if _, err := io.WriteString(clients[0], "hello"); err != nil {
		t.Fatal(err)
	}
	taken, err := p.Pass(fds[:], []byte("a note"))
	if taken != 2 || err != nil {
		t.Fatalf("%d taken, %v", taken, err)
	}
	for _, fd := range fds[:taken] {
		_ = syscall.Close(fd)
	}
	g := <-got
	if len(g.fds) != 3 || g.note != "a note" {
		t.Fatalf("%d came with %q", len(g.fds), g.note)
	}
	buf := make([]byte, 8)
	if n, err := syscall.Read(g.fds[0], buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:max(n, 0)], err)
	}
	for i, fd := range []int{g.fds[0], g.fds[1], fds[2]} { // the third is still here
		if _, err := syscall.Write(fd, []byte{'a' + byte(i)}); err != nil {
			t.Error(err)
		}
		if n, err := clients[i].Read(buf); err != nil || string(buf[:n]) != string(rune('a'+i)) {
			t.Errorf("connection %d: %q, %v", i, buf[:n], err)
		}
		_ = syscall.Close(fd)
	}
	for _, bad := range []struct {
		n    int
		note string
	}{{0, "x"}, {maxPassed + 1, "x"}, {1, ""}, {1, strings.Repeat("x", maxNote+1)}} {
		if taken, err := p.Pass(make([]int, bad.n), []byte(bad.note)); taken != 0 || err == nil {
			t.Errorf("%d descriptors, %d bytes: %d taken, %v", bad.n, len(bad.note), taken, err)
		}
	}
	// A successor that has gone has taken nothing.
	_ = heir.Close()
	_, fd := pair(t)
	defer func() { _ = syscall.Close(fd) }()
	if taken, err := p.Pass([]int{fd}, []byte("x")); taken != 0 || err == nil {
		t.Errorf("%d taken by one that has ended, %v", taken, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// What doesn't find room among the successor's descriptors isn't taken, and stays open here.
func TestPassage_WithoutDescriptors(t *testing.T) {
	got := make(chan int, 1)
	offer, _ := handedOver(t, func(fds []int, _ []byte) int {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
		got <- len(fds)
		return len(fds)
	})
	var fds []int
	for range 20 {
		_, fd := pair(t)
		fds = append(fds, fd)
	}
	defer func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	p := offer.Passage()
	defer func() { _ = p.Close() }()
	low := limit
	low.Cur = uint64(openFiles(t) + 5) // both ends are this process
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	taken, err := p.Pass(fds, []byte("x"))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil || taken == 0 || taken >= len(fds) || <-got != taken {
		t.Errorf("%d of %d taken, %v", taken, len(fds), err)
	}
}

// Builds that know of no passage and builds that do take over from each other.
func TestPassage_OldAndNew(t *testing.T) {
	t.Run("from an old build", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		taken := oldServe(t, path, listen(t))
		heir, err := Take(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := heir.Ready(func([]int, []byte) int { t.Error("something came"); return 0 }); err != nil {
			t.Fatal(err)
		}
		if !<-taken {
			t.Error("not taken")
		}
		heir.inherited.Wait() // the passage has ended by itself
		if err := heir.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("to an old build", func(t *testing.T) {
		offer, _ := handedOver(t, nil) // says what it said
		if p := offer.Passage(); p != nil {
			t.Error("there is a passage")
		}
	})
}
