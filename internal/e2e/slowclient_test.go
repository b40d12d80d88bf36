package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// ways are those in which a terminator looks after connections, with their flags.
var ways = []struct {
	name  string
	flags []string
}{
	{"event loops", nil},
	{"a goroutine each", []string{"--event-loops=-1"}},
}

// bothWays runs a test on a front of its own for either way.
func bothWays(t *testing.T, o frontOptions, test func(*testing.T, *front)) {
	t.Helper()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			o := o
			o.terminator = append(append([]string{}, w.flags...), o.terminator...)
			test(t, startFront(t, o))
		})
	}
}

// slowClient is a client that the network or its program keeps from reading fast.
type slowClient struct {
	net.Conn
	pause time.Duration // before each piece that it reads
	got   bytes.Buffer
}

const (
	slowBuffer = 16 << 10 // SO_RCVBUF
	slowPiece  = 16 << 10 // what is read at once
)

// dialSlow connects with a receive buffer of 16 KiB, which is set before the
// connection is there: its window is agreed upon then.
func dialSlow(t *testing.T, addr string, pause time.Duration) *slowClient {
	t.Helper()
	d := net.Dialer{Timeout: clientTimeout, Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowBuffer)
		})
		return errors.Join(err, failed)
	}}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // closed, at worst
	if err := conn.SetDeadline(time.Now().Add(testutil.Patience)); err != nil {
		t.Fatal(err)
	}
	return &slowClient{Conn: conn, pause: pause}
}

// send sends what a client may send at any time; that the other end takes
// nothing more is no fault.
func (s *slowClient) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(s.Conn, text); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

// read reads so many bytes, or up to the end if n is negative, in small pieces.
// The error is nil at an orderly end.
func (s *slowClient) read(n int) error {
	buf := make([]byte, slowPiece)
	for n != 0 {
		time.Sleep(s.pause) // what makes it slow
		b := buf
		if n > 0 {
			b = buf[:min(n, len(buf))]
		}
		k, err := s.Conn.Read(b)
		s.got.Write(b[:k])
		if n > 0 {
			n -= k
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// answers are the responses that have been read up to now, the last maybe cut.
func (s *slowClient) answers() (list []response, cut error) {
	r := bufio.NewReader(bytes.NewReader(s.got.Bytes()))
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return list, nil
		}
		got, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
		if err != nil {
			return list, err
		}
		body, err := io.ReadAll(got.Body)
		list = append(list, response{got.StatusCode, got.Header, got.ContentLength, got.Close, string(body)})
		if err != nil {
			return list, fmt.Errorf("%d of %d bytes of the body: %w", len(body), got.ContentLength, err)
		}
	}
}

// whole fails the test unless the response has the n bytes of /echo/bytes.
func (r response) whole(t *testing.T, n int, of string) {
	t.Helper()
	switch {
	case r.status != 200:
		t.Errorf("%s: status %d, want 200; body %.200q", of, r.status, r.body)
	case len(r.body) != n:
		t.Errorf("%s: %d of %d bytes", of, len(r.body), n)
	case r.body != patternBytes(n):
		t.Errorf("%s: other bytes", of)
	}
}
