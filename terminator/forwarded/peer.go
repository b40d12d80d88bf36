package forwarded

import (
	"net"
	"net/netip"
)

// Peer is who is at the other end of a connection.
type Peer struct {
	IP      netip.Addr // without its port; invalid if it isn't an IP address
	Text    []byte     // of IP, as it stands in X-Forwarded-For; "unknown" if invalid
	Trusted bool       // it is a trusted proxy
}

// NewPeer asks trusted, if not nil, about ip.
func NewPeer(ip netip.Addr, trusted func(netip.Addr) bool) Peer {
	// A zone means something on this machine only.
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return Peer{Text: []byte("unknown")}
	}
	return Peer{
		IP: ip, Text: ip.AppendTo(make([]byte, 0, 16)),
		Trusted: trusted != nil && trusted(ip),
	}
}

// AddrOf is the IP address in a, without its port.
func AddrOf(a net.Addr) (ip netip.Addr) {
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
