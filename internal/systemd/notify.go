package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// What a process tells.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Watchdog = "WATCHDOG=1"
)

// MainPID tells that this process is the service's main one from now on.
func MainPID() string { return "MAINPID=" + strconv.Itoa(os.Getpid()) }

// Status is a line for systemctl status.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", "; ") }

// Notify tells the manager; without one it does nothing.
func Notify(what ...string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:] // abstract
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer func() { _ = conn.Close() }() // a datagram is sent or it isn't
	_, err = conn.Write([]byte(strings.Join(what, "\n")))
	return err
}

// WatchdogInterval is within which time the manager wants to hear Watchdog each time; 0: never.
func WatchdogInterval() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// AnnounceReady tells the manager Ready and a status once ready returns nil, or after that time:
// what can't get ready, as etcd is away, serves what it can. It returns at once without a manager,
// and when ctx ends.
func AnnounceReady(ctx context.Context, ready func() error, within time.Duration, status string) error {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ready() != nil && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return Notify(Ready, Status(status))
}
