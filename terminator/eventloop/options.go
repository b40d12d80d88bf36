package eventloop

import (
	"net"

	"nanofront/metrics"
	"nanofront/terminator/admission"
	"nanofront/terminator/blocking"
)

// Options is what loops are made of.
type Options struct {
	N        int              // how many; 0: half as many as there are cores
	Listener *net.TCPListener // whose connections they serve
	Blocking *blocking.Driver // for whatever isn't ordinary
	Metrics  *metrics.Set
	Cores    *admission.Cores // whether refusing helps; nil: not known
}
