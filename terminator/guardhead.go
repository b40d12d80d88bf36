package terminator

import "bytes"

// guardMaxMethod is far longer than any registered method. RFC 9110 section 9.1 asks for 501 where a method isn't known, and
// the bus has one byte for its length.
const guardMaxMethod = 32

// guardMaxName is the longest name of a header field that the bus can carry.
const guardMaxName = 255

// requestLine judges method SP request-target SP HTTP-version (RFC 9112 section 3). line has no control bytes.
func (s *guardScanner) requestLine(line []byte) guardFault {
	m := 0
	for m < len(line) && guardClass[line[m]]&guardToken != 0 {
		m++
	}
	if m == 0 || m == len(line) || line[m] != ' ' {
		return guardFaultMethod
	}
	if m > guardMaxMethod {
		return guardFaultMethodUnknown
	}
	method, rest := line[:m], line[m+1:]
	const version = " HTTP/1.1"
	t := len(rest) - len(version)
	if t <= 0 || string(rest[t:]) != version {
		t = bytes.LastIndexByte(rest, ' ')
		if t <= 0 {
			return guardFaultRequestLine
		}
		v := rest[t+1:]
		if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' ||
			guardClass[v[5]]&guardClass[v[7]]&guardDigit == 0 {
			return guardFaultVersion
		}
		if v[5] != '1' || v[7] > '1' {
			return guardFaultVersionUnknown
		}
		if v[7] == '0' {
			s.seen |= guardVersion10
		}
	}
	target := rest[:t]
	// Neither means anything to a gateway that has no tunnels and shows nobody's headers to anybody.
	if (m == 7 && string(method) == "CONNECT") || (m == 5 && string(method) == "TRACE") {
		return guardFaultMethodUnknown
	}
	if len(target) > s.limits.target {
		return guardFaultTargetLong
	}
	for _, c := range target {
		if guardClass[c]&guardTarget == 0 {
			return guardFaultTargetByte
		}
	}
	switch {
	case target[0] == '/':
		return guardOK
	case len(target) == 1 && target[0] == '*':
		if string(method) != "OPTIONS" {
			return guardFaultAsterisk
		}
		return guardOK
	}
	authority, _, ok := targetAbsolute(target)
	if !ok {
		return guardFaultTarget
	}
	if !hostValid(authority) {
		return guardFaultAuthority
	}
	s.authority = append(s.authority, authority...)
	return guardOK
}

// field judges one header field line (RFC 9112 section 5). line isn't empty, begins neither with SP nor HTAB,
// and has no other control byte than HTAB.
func (s *guardScanner) field(line []byte) guardFault {
	s.fields++
	if s.fields > s.limits.fields {
		return guardFaultManyFields
	}
	n := 0
	for n < len(line) && guardClass[line[n]]&guardToken != 0 {
		n++
	}
	if n == 0 || n == len(line) || line[n] != ':' {
		return guardFaultFieldName
	}
	if n > guardMaxName {
		return guardFaultNameLong
	}
	// The length of the name settles most fields, so that they cost nothing more.
	switch name := line[:n]; n {
	case len("host"):
		if guardFold(name, "host") {
			return s.host(guardTrim(line[n+1:]))
		}
	case len("expect"):
		if guardFold(name, "expect") {
			return s.expect(guardTrim(line[n+1:]))
		}
	case len("content-length"):
		if guardFold(name, "content-length") {
			return s.contentLength(guardTrim(line[n+1:]))
		}
		if guardFoldDash(name, "content-length") {
			return guardFaultMimicLength
		}
	case len("transfer-encoding"):
		if guardFold(name, "transfer-encoding") {
			return s.transferEncoding(guardTrim(line[n+1:]))
		}
		if guardFoldDash(name, "transfer-encoding") {
			return guardFaultMimicEncoding
		}
	}
	return guardOK
}

func (s *guardScanner) host(v []byte) guardFault {
	switch {
	case s.seen&guardSeenHost != 0:
		return guardFaultTwoHosts
	case !hostValid(v):
		return guardFaultHost
	case len(s.authority) > 0 && !guardEqualFold(s.authority, v):
		// RFC 9112 section 3.2.2 lets the target win; a front that lets them differ hands its backend a
		// choice of two hosts.
		return guardFaultHostDiffers
	}
	s.seen |= guardSeenHost
	return guardOK
}

// expect: a server must ignore the field in an HTTP/1.0 request (RFC 9110 section 10.1.1).
func (s *guardScanner) expect(v []byte) guardFault {
	if s.seen&guardVersion10 == 0 && !guardFold(v, "100-continue") {
		return guardFaultExpect
	}
	s.seen |= guardSeenExpect
	return guardOK
}

// guardMaxLengthDigits keeps a Content-Length inside 63 bits.
const guardMaxLengthDigits = 18

// contentLength takes 1*DIGIT without leading zeros, once. The list of equal values that RFC 9112 section 6.3
// would allow to be mended is refused.
func (s *guardScanner) contentLength(v []byte) guardFault {
	if s.seen&guardSeenLength != 0 {
		return guardFaultTwoLengths
	}
	if len(v) == 0 || len(v) > guardMaxLengthDigits || (v[0] == '0' && len(v) > 1) {
		return guardFaultLength
	}
	n := int64(0)
	for _, c := range v {
		if guardClass[c]&guardDigit == 0 {
			return guardFaultLength
		}
		n = n*10 + int64(c-'0')
	}
	s.seen |= guardSeenLength
	s.length = n
	return guardOK
}

// transferEncoding takes "chunked" alone. What RFC 9112 section 6.1 knows but this server doesn't is 501, what
// would leave the end of the body unknown is 400.
func (s *guardScanner) transferEncoding(v []byte) guardFault {
	switch {
	case s.seen&guardVersion10 != 0:
		return guardFaultEncoding10
	case s.seen&guardSeenChunked != 0:
		return guardFaultTwoEncodings
	case guardFold(v, "chunked"):
		s.seen |= guardSeenChunked
		return guardOK
	}
	for chunked := false; ; {
		item, more, comma := bytes.Cut(v, []byte{','})
		item = guardTrim(item)
		if len(item) == 0 || chunked {
			return guardFaultEncoding
		}
		for _, c := range item {
			if guardClass[c]&guardToken == 0 {
				return guardFaultEncoding
			}
		}
		chunked = guardFold(item, "chunked")
		if !comma {
			return guardFaultCoding
		}
		v = more
	}
}

// hostMax is the longest host and port: a name of 253 bytes, a colon and five digits.
const hostMax = 259

// hostValid reports whether h is a host with or without a port as a Host field may have it: a registered name or
// IPv4 address of letters, digits and "-._~", or a bracketed IPv6 address; the port 0 to 65535 and not empty. Narrower than
// RFC 3986: percent-encoding, sub-delimiters (a comma would break the lists that hosts are put in further
// on), user information and IPvFuture are refused.
func hostValid(h []byte) bool {
	if len(h) == 0 || len(h) > hostMax {
		return false
	}
	i := 0
	if h[0] == '[' {
		i = bytes.IndexByte(h, ']')
		if i < 0 || !hostIPv6(h[1:i]) {
			return false
		}
		i++
	} else {
		for i < len(h) && guardClass[h[i]]&guardHost != 0 {
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
		if guardClass[c]&guardDigit == 0 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// hostIPv6 reports whether b is the text of an IPv6 address, without a zone. It is netip.ParseAddr without
// the string.
func hostIPv6(b []byte) bool {
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
		for i < len(b) && i-start < 5 && guardClass[b[i]]&guardHex != 0 {
			i++
		}
		if i < len(b) && b[i] == '.' {
			if !hostIPv4(b[start:]) {
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

// hostIPv4 reports whether b is a dotted decimal address without leading zeros.
func hostIPv4(b []byte) bool {
	octets, i := 0, 0
	for {
		start, n := i, 0
		for i < len(b) && i-start < 4 && guardClass[b[i]]&guardDigit != 0 {
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
