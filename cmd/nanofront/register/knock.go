package register

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// knockTimeout bounds one try.
const knockTimeout = 2 * time.Second

// greeting is what a handler sends on each connection at once: section 1 of docs/protocol.md.
const greeting = "\x00SP\x00\x00\x70\x00\x00"

var errNoBus = errors.New("whatever listens there doesn't speak the bus protocol")

// knock reports whether a handler listens at a bus address. That a connection is made says little:
// what forwards ports accepts before there is somebody to forward to. With TLS it has to do.
func knock(ctx context.Context, address string) error {
	scheme, addr, _ := strings.Cut(address, "://")
	network := "tcp"
	if scheme == "ipc" {
		network = "unix"
	}
	d := net.Dialer{Timeout: knockTimeout}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was sent
	if scheme == "tls+tcp" {
		return nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(knockTimeout)); err != nil {
		return err
	}
	got := make([]byte, len(greeting))
	if n, err := io.ReadFull(conn, got); err != nil {
		return fmt.Errorf("%w: %w after %d of the %d bytes of its greeting", errNoBus, err, n, len(got))
	}
	if string(got) != greeting {
		return fmt.Errorf("%w: it greets with % x", errNoBus, got)
	}
	return nil
}
