package chaos

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echoServer answers what it gets.
func echoServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }() // ends with the connection
		}
	}()
	return l.Addr().String()
}

func TestProxy_Weather(t *testing.T) {
	p, err := startProxy(echoServer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	there := func(within time.Duration) (time.Duration, error) {
		began := time.Now()
		_ = c.SetDeadline(began.Add(within)) // fails with what the next calls say
		if _, err := io.WriteString(c, "hello"); err != nil {
			return 0, err
		}
		_, err := io.ReadFull(c, make([]byte, 5))
		return time.Since(began), err
	}
	if _, err := there(time.Minute); err != nil {
		t.Fatalf("fair: %v", err)
	}
	p.set(weather{Delay: 50 * time.Millisecond})
	if took, err := there(time.Minute); err != nil || took < 100*time.Millisecond {
		t.Errorf("50 ms each way: %v after %v", err, took)
	}
	p.set(weather{Delay: time.Hour})
	if _, err := there(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("dead: %v", err)
	}
	p.set(weather{})
	p.cut()
	if _, err := there(time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cut: %v", err)
	}
	if c, err = net.Dial("tcp", p.addr); err != nil {
		t.Fatal(err)
	}
	if _, err := there(time.Minute); err != nil {
		t.Errorf("a new connection: %v", err)
	}
	p.set(weather{CutShare: 1})
	if _, err := there(time.Minute); err == nil {
		t.Error("each piece cuts, and one came through")
	}
}
