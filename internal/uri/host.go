package uri

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// maxHost is the longest host and port: a name of 253 bytes, a colon and five digits.
const maxHost = 259

// ValidHost reports whether h is a host with or without a port as a Host field may have it: a
// registered name or IPv4 address of letters, digits and "-._~", or a bracketed IPv6 address; the
// port 0 to 65535, or empty. Narrower than RFC 3986: percent-encoding, sub-delimiters (a comma
// would break the lists that hosts are put in further on), user information and IPvFuture are
// refused.
func ValidHost(h []byte) bool {
	if len(h) > maxHost {
		return false
	}
	host, port := splitPort(h)
	if len(host) > 0 && host[0] == '[' {
		if n := len(host) - 1; host[n] != ']' || !ValidIPv6(host[1:n]) {
			return false
		}
	} else {
		for _, c := range host {
			if class[c]&regName == 0 {
				return false
			}
		}
	}
	return len(host) > 0 && portNumber(port, 0) >= 0
}

// splitPort cuts an authority at the colon before its port. port is empty, or begins with the
// colon.
func splitPort(h []byte) (host, port []byte) {
	i := bytes.LastIndexByte(h, ':')
	if i < 0 || bytes.IndexByte(h[i:], ']') >= 0 {
		return h, nil
	}
	return h[:i], h[i:]
}

// portNumber is the number that port, of splitPort, says, byDefault if it says none, and negative
// if it isn't a port.
func portNumber(port []byte, byDefault int) int {
	if len(port) <= 1 {
		return byDefault
	}
	if len(port) > len(":65535") {
		return -1
	}
	n := 0
	for _, c := range port[1:] {
		if !IsDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n > 65535 {
		return -1
	}
	return n
}

// EqualAuthority reports whether two hosts with or without a port, both ValidHost, mean the same
// (RFC 3986 section 6.2, RFC 9110 section 4.2.3): names in any case, no port or an empty one for
// the scheme's, IPv6 addresses in any spelling.
func EqualAuthority(a, b []byte, schemePort int) bool {
	aHost, aPort := splitPort(a)
	bHost, bPort := splitPort(b)
	if portNumber(aPort, schemePort) != portNumber(bPort, schemePort) {
		return false
	}
	if bytes.EqualFold(aHost, bHost) { // both are ASCII
		return true
	}
	aIP, bIP := parseIPv6(aHost), parseIPv6(bHost)
	return aIP.IsValid() && aIP == bIP
}

// AppendHost appends the normal form of an authority's host to dst, by which routes are chosen:
// without port and final dot, letters in lower case, an IPv6 address in its one spelling (RFC
// 5952).
func AppendHost(dst, authority []byte) []byte {
	host, _ := splitPort(authority)
	if ip := parseIPv6(host); ip.IsValid() {
		return append(ip.AppendTo(append(dst, '[')), ']')
	}
	start := len(dst)
	dst = append(dst, bytes.TrimSuffix(host, []byte{'.'})...)
	for i := start; i < len(dst); i++ {
		if c := dst[i]; 'A' <= c && c <= 'Z' {
			dst[i] = c | 0x20
		}
	}
	return dst
}

// parseIPv6 is the address that host is in brackets; invalid if it isn't one.
func parseIPv6(host []byte) netip.Addr {
	n := len(host) - 1
	if n < 1 || host[0] != '[' || host[n] != ']' || !ValidIPv6(host[1:n]) {
		return netip.Addr{}
	}
	// The string lives for the call only: an Addr without a zone keeps none of it.
	a, _ := netip.ParseAddr(unsafe.String(&host[1], n-1))
	return a
}

// ValidIPv6 reports whether b is the text of an IPv6 address, without a zone. It is netip.ParseAddr
// without the string.
func ValidIPv6(b []byte) bool {
	groups, elided := 0, false
	if len(b) < 2 || (b[0] == ':' && b[1] != ':') {
		return false
	}
	for i := 0; ; {
		if i+1 < len(b) && b[i] == ':' && b[i+1] == ':' {
			if elided {
				return false
			}
			elided = true
			i += 2
			if i == len(b) {
				break
			}
		}
		start := i
		for i < len(b) && i-start < 5 && IsHex(b[i]) {
			i++
		}
		if i < len(b) && b[i] == '.' {
			if !ValidIPv4(b[start:]) {
				return false
			}
			groups += 2
			break
		}
		if i == start || i-start > 4 {
			return false
		}
		groups++
		if i == len(b) {
			break
		}
		if b[i] != ':' || i+1 == len(b) {
			return false
		}
		if b[i+1] != ':' {
			i++
		}
	}
	if elided {
		return groups < 8
	}
	return groups == 8
}

// ValidIPv4 reports whether b is a dotted decimal address without leading zeros.
func ValidIPv4(b []byte) bool {
	octets, i := 0, 0
	for {
		start, n := i, 0
		for i < len(b) && i-start < 4 && IsDigit(b[i]) {
			n = n*10 + int(b[i]-'0')
			i++
		}
		if i == start || n > 255 || (b[start] == '0' && i-start > 1) {
			return false
		}
		octets++
		if i == len(b) {
			return octets == 4
		}
		if b[i] != '.' || octets == 4 {
			return false
		}
		i++
	}
}
