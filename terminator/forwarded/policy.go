package forwarded

import (
	"fmt"
	"net/netip"
	"strings"
)

// Policy is the set of proxies whose word about the client is taken. A nil policy trusts nobody.
//
// What it asks of a trusted proxy: that it sets, or strips, both X-Forwarded-* and Forwarded. Of a
// proxy that passes one of them through from the client while it sets the other, X-Forwarded-For is
// believed and Forwarded ignored, as the former is what nearly all set.
type Policy struct {
	prefixes []netip.Prefix
}

// NewPolicy takes networks (10.0.0.0/8, fd00::/8) and addresses (192.0.2.1), each with optional
// white space around. None at all gives nil.
func NewPolicy(proxies []string) (*Policy, error) {
	var p Policy
	for _, text := range proxies {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("trusted proxy %q: must be an IP address or a network such as 10.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if a := prefix.Addr(); a.Is4In6() {
			// Addresses are compared in their IPv4 form.
			if prefix.Bits() < 96 {
				return nil, fmt.Errorf("trusted proxy %q: an IPv4-mapped network needs at least 96 bits; write it as IPv4", text)
			}
			prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
	}
	if len(p.prefixes) == 0 {
		return nil, nil
	}
	return &p, nil
}

// Trusts reports whether a, unmapped and without a zone, is a trusted proxy.
func (p *Policy) Trusts(a netip.Addr) bool {
	if p == nil {
		return false
	}
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}
