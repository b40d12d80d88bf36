package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestNotify_Tells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := AnnounceReady(t.Context(), func() error { return nil }, time.Minute, "a\nb"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	n, err := l.Read(buf)
	if got := string(buf[:n]); err != nil || got != "READY=1\nSTATUS=a; b" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(Watchdog); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", path+"x")
	if err := Notify(Watchdog); err == nil {
		t.Error("nobody listens, and it is no error")
	}
}

func TestWatchdogInterval(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, tc := range []struct {
		usec, pid string
		want      time.Duration
	}{{"", "", 0}, {"30000000", "", 30 * time.Second}, {"30000000", own, 30 * time.Second}, {"30000000", "1", 0}, {"x", own, 0}, {"-5", own, 0}} {
		t.Setenv("WATCHDOG_USEC", tc.usec)
		t.Setenv("WATCHDOG_PID", tc.pid)
		if got := WatchdogInterval(); got != tc.want {
			t.Errorf("%q for %q: %v, want %v", tc.usec, tc.pid, got, tc.want)
		}
	}
}

func TestListeners_OthersOrNone(t *testing.T) {
	for _, pid := range []string{"", "1"} {
		t.Setenv("LISTEN_PID", pid)
		t.Setenv("LISTEN_FDS", "1")
		if got, err := Listeners(); got != nil || err != nil {
			t.Errorf("meant for %q: %v, %v", pid, got, err)
		}
		if os.Getenv("LISTEN_FDS") != "" {
			t.Error("a child would get it")
		}
	}
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("LISTEN_FDS", "x")
	if _, err := Listeners(); err == nil {
		t.Error("LISTEN_FDS=x is no error")
	}
}
