package eventloop

import (
	"net"

	"nanofront/metrics"
	"nanofront/terminator/blocking"
)

// Options is what loops are made of.
type Options struct {
	N        int              // how many; 0: half as many as there are cores
	Listener *net.TCPListener // whose connections they serve
	Blocking *blocking.Driver // for whatever isn't ordinary
	Metrics  *metrics.Set
}
