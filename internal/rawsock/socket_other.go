//go:build !unix

package rawsock

import (
	"errors"
	"net"
)

// Socket isn't there.
type Socket struct{}

// Of returns nil.
func Of(net.Conn) *Socket { return nil }

// Read and TryWrite have no Socket to be called on.
func (*Socket) Read([]byte) (int, error)             { return 0, errors.ErrUnsupported }
func (*Socket) TryWrite([]byte, []byte) (int, error) { return 0, errors.ErrUnsupported }
