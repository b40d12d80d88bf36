package listening

import (
	"errors"
	"net"
	"strings"
	"time"
)

// probeTime bounds one look at an address.
const probeTime = 300 * time.Millisecond

// Probe says why an address can't be reached, as the system has it, to be put
// behind a message; empty if a connection can be made.
func Probe(address string) string {
	network, addr, ok := strings.Cut(address, "://")
	switch {
	case !ok:
		return ""
	case network == "ipc":
		network = "unix"
	case network != "tcp":
		return ""
	}
	conn, err := net.DialTimeout(network, addr, probeTime)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return " (" + err.Error() + ")"
	}
	_ = conn.Close() // it was only to see
	return " (something accepts connections there, but doesn't greet as a bus peer)"
}
