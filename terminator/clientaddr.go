package terminator

import (
	"net"
	"net/netip"
)

// clientAddr is who is at the other end of a connection.
type clientAddr struct {
	ip      netip.Addr // without its port; invalid if it isn't an IP address
	text    []byte     // of ip, as it stands in X-Forwarded-For; "unknown" if invalid
	trusted bool       // it is a trusted proxy
}

// newClientAddr asks trusted, if not nil, about ip.
func newClientAddr(ip netip.Addr, trusted func(netip.Addr) bool) clientAddr {
	// A zone means something on this machine only.
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return clientAddr{text: []byte("unknown")}
	}
	return clientAddr{
		ip: ip, text: ip.AppendTo(make([]byte, 0, 16)),
		trusted: trusted != nil && trusted(ip),
	}
}

// addrOf is the IP address in a, without its port.
func addrOf(a net.Addr) (ip netip.Addr) {
	switch a := a.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr()
	case nil:
	default:
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			ip = ap.Addr()
		}
	}
	return ip
}
