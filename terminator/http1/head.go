package http1

import (
	"bytes"

	"nanofront/internal/uri"
)

// maxMethod is far longer than any registered method. RFC 9110 section 9.1 asks for 501 where a
// method isn't known, and the bus has one byte for its length.
const maxMethod = 32

// maxName is the longest name of a header field that the bus can carry.
const maxName = 255

// requestLine judges method SP request-target SP HTTP-version (RFC 9112 section 3). line has no
// control bytes.
func (s *Scanner) requestLine(line []byte, h *Head) Fault {
	m := 0
	for m < len(line) && IsToken(line[m]) {
		m++
	}
	if m == 0 || m == len(line) || line[m] != ' ' {
		return FaultMethod
	}
	if m > maxMethod {
		return FaultMethodUnknown
	}
	if string(line[:m]) == "HEAD" {
		s.seen |= seenHead
	}
	method, rest := line[:m], line[m+1:]
	const version = " HTTP/1.1"
	t := len(rest) - len(version)
	if t <= 0 || string(rest[t:]) != version {
		t = bytes.LastIndexByte(rest, ' ')
		if t <= 0 {
			return FaultRequestLine
		}
		v := rest[t+1:]
		if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' ||
			!uri.IsDigit(v[5]) || !uri.IsDigit(v[7]) {
			return FaultVersion
		}
		if v[5] != '1' || v[7] > '1' {
			return FaultVersionUnknown
		}
		if v[7] == '0' {
			s.seen |= version10
		}
	}
	target := rest[:t]
	// Neither means anything to a gateway that has no tunnels and shows nobody's headers to
	// anybody.
	if (m == 7 && string(method) == "CONNECT") || (m == 5 && string(method) == "TRACE") {
		return FaultMethodUnknown
	}
	if len(target) > s.limits.Target {
		return FaultTargetLong
	}
	h.Method, h.Target, h.Path, h.Old = m, m+1+t, 0, s.seen&version10 != 0
	if target[0] == '/' {
		if n := normalPath(target); n > 0 {
			h.Path = m + 1 + n
			return OK
		}
	}
	for i, c := range target {
		if !uri.IsTarget(c) && (!uri.IsQuery(c) || bytes.IndexByte(target[:i], '?') < 0) {
			return FaultTargetByte
		}
	}
	switch {
	case target[0] == '/':
		return OK
	case len(target) == 1 && target[0] == '*':
		if string(method) != "OPTIONS" {
			return FaultAsterisk
		}
		return OK
	}
	https, authority, _, ok := splitAbsolute(target)
	if !ok {
		return FaultTarget
	}
	if !uri.ValidHost(authority) {
		return FaultAuthority
	}
	if https {
		s.seen |= seenHTTPS
	}
	s.authority = append(s.authority, authority...)
	return OK
}

// normalPath is the length of the path of a target in origin-form that is in its form already, as
// nearly all are; 0, if that isn't plain to see.
func normalPath(target []byte) int {
	i, prev := 0, byte(0)
	for i < len(target) && uri.IsPath(target[i]) && (target[i] != '.' || prev != '/') {
		prev = target[i]
		i++
	}
	path := i
	if i < len(target) && target[i] == '?' {
		for i < len(target) && uri.IsQuery(target[i]) {
			i++
		}
	}
	if i < len(target) {
		return 0
	}
	return path
}

// longMethod judges a request line of which more has come than the longest method; b is what
// follows s.carry. Without this, a method without end would be a target that is too long.
func (s *Scanner) longMethod(b []byte) Fault {
	var buf [maxMethod + 1]byte
	begin := append(append(buf[:0], s.carry...), b[:len(buf)-len(s.carry)]...)
	for _, c := range begin {
		switch {
		case c == ' ':
			return OK
		case !IsToken(c):
			return FaultMethod
		}
	}
	return FaultMethodUnknown
}

// noteHead sees to Head after a fault in an incomplete request line; b is what follows s.carry.
func (s *Scanner) noteHead(b []byte) {
	const head = "HEAD "
	if s.state != stateRequestLine {
		return
	}
	var buf [len(head)]byte
	n := copy(buf[:], s.carry)
	if n += copy(buf[n:], b); string(buf[:n]) == head {
		s.seen |= seenHead
	}
}

// field judges one header field line (RFC 9112 section 5). line isn't empty, begins neither with SP
// nor HTAB, and has no other control byte than HTAB.
func (s *Scanner) field(line []byte, h *Head) Fault {
	s.fields++
	if s.fields > s.limits.Fields {
		return FaultManyFields
	}
	n := 0
	for n < len(line) && IsToken(line[n]) {
		n++
	}
	if n == 0 || n == len(line) || line[n] != ':' {
		return FaultFieldName
	}
	if n > maxName {
		return FaultNameLong
	}
	h.note(s.headBytes-len(line)-len("\r\n"), n, len(line))
	// The length of the name settles most fields, so that they cost nothing more.
	switch name := line[:n]; n {
	case len("host"):
		if EqualLower(name, "host") {
			return s.host(TrimOWS(line[n+1:]))
		}
	case len("expect"):
		if EqualLower(name, "expect") {
			return s.expect(TrimOWS(line[n+1:]))
		}
	case len("content-length"):
		if EqualLower(name, "content-length") {
			return s.contentLength(TrimOWS(line[n+1:]))
		}
		if EqualCGI(name, "content-length") {
			return FaultMimicLength
		}
	case len("transfer-encoding"):
		if EqualLower(name, "transfer-encoding") {
			return s.transferEncoding(TrimOWS(line[n+1:]))
		}
		if EqualCGI(name, "transfer-encoding") {
			return FaultMimicEncoding
		}
	}
	return OK
}

func (s *Scanner) host(v []byte) Fault {
	switch {
	case s.seen&seenHost != 0:
		return FaultTwoHosts
	case !uri.ValidHost(v):
		return FaultHost
	case len(s.authority) > 0 && !s.sameAuthority(v):
		// RFC 9112 section 3.2.2 lets the target win; a front that lets them differ hands its
		// backend a choice of two hosts.
		return FaultHostDiffers
	}
	s.seen |= seenHost
	return OK
}

// sameAuthority compares v to the target's authority.
func (s *Scanner) sameAuthority(v []byte) bool {
	port := 80
	if s.seen&seenHTTPS != 0 {
		port = 443
	}
	return uri.EqualAuthority(s.authority, v, port)
}

// expect: a server must ignore the field in an HTTP/1.0 request (RFC 9110 section 10.1.1).
func (s *Scanner) expect(v []byte) Fault {
	if s.seen&version10 == 0 && !EqualLower(v, "100-continue") {
		return FaultExpect
	}
	s.seen |= seenExpect
	return OK
}

// maxLengthDigits keeps a Content-Length inside 63 bits.
const maxLengthDigits = 18

// contentLength takes 1*DIGIT without leading zeros, once. The list of equal values that RFC 9112
// section 6.3 would allow to be mended is refused.
func (s *Scanner) contentLength(v []byte) Fault {
	if s.seen&seenLength != 0 {
		return FaultTwoLengths
	}
	if len(v) == 0 || len(v) > maxLengthDigits || (v[0] == '0' && len(v) > 1) {
		return FaultLength
	}
	n := int64(0)
	for _, c := range v {
		if !uri.IsDigit(c) {
			return FaultLength
		}
		n = n*10 + int64(c-'0')
	}
	s.seen |= seenLength
	s.length = n
	return OK
}

// transferEncoding takes "chunked" alone. What RFC 9112 section 6.1 knows but this server doesn't
// is 501, what would leave the end of the body unknown is 400.
func (s *Scanner) transferEncoding(v []byte) Fault {
	switch {
	case s.seen&version10 != 0:
		return FaultEncoding10
	case s.seen&seenChunked != 0:
		return FaultTwoEncodings
	case EqualLower(v, "chunked"):
		s.seen |= seenChunked
		return OK
	}
	for chunked := false; ; {
		item, more, comma := bytes.Cut(v, []byte{','})
		item = TrimOWS(item)
		if len(item) == 0 || chunked {
			return FaultEncoding
		}
		for _, c := range item {
			if !IsToken(c) {
				return FaultEncoding
			}
		}
		chunked = EqualLower(item, "chunked")
		if !comma {
			return FaultCoding
		}
		v = more
	}
}
