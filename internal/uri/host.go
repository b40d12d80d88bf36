package uri

import "bytes"

// maxHost is the longest host and port: a name of 253 bytes, a colon and five digits.
const maxHost = 259

// ValidHost reports whether h is a host with or without a port as a Host field may have it: a registered name or
// IPv4 address of letters, digits and "-._~", or a bracketed IPv6 address; the port 0 to 65535 and not empty. Narrower than
// RFC 3986: percent-encoding, sub-delimiters (a comma would break the lists that hosts are put in further
// on), user information and IPvFuture are refused.
func ValidHost(h []byte) bool {
	if len(h) == 0 || len(h) > maxHost {
		return false
	}
	i := 0
	if h[0] == '[' {
		i = bytes.IndexByte(h, ']')
		if i < 0 || !ValidIPv6(h[1:i]) {
			return false
		}
		i++
	} else {
		for i < len(h) && class[h[i]]&host != 0 {
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(h) {
		return true
	}
	port := h[i+1:]
	if h[i] != ':' || len(port) == 0 || len(port) > 5 {
		return false
	}
	n := 0
	for _, c := range port {
		if !IsDigit(c) {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// ValidIPv6 reports whether b is the text of an IPv6 address, without a zone. It is netip.ParseAddr without
// the string.
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
