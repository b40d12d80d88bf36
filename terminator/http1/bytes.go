package http1

import (
	"encoding/binary"
	"math/bits"
)

// tokens are the bytes of a token (RFC 9110 section 5.6.2).
var tokens = func() (t [256]bool) {
	for _, c := range []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

// IsToken reports whether c may stand in a token: a field name, a method.
func IsToken(c byte) bool { return tokens[c] }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns the index of the first control byte (below 0x20, or DEL) in b, or len(b).
// That finds the end of a line and proves all before it free of control bytes in one pass of eight
// bytes a step: half the cost of IndexByte for the line end and a second loop for the control bytes
// (BenchmarkScanner).
func special(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ (ones * 0x7f)
		// Either term may be wrong about bytes above its first hit, as the subtraction borrows, but
		// never about the first hit; so the lowest bit of both is exact.
		m := ((x-ones*0x20)&^x | (del-ones)&^del) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == 0x7f {
			return i
		}
	}
	return i
}

// EqualLower reports whether b equals lower, which is in lower case, without regard to ASCII case.
func EqualLower(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := 0; i < len(b); i++ {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// EqualCGI is EqualLower for what a CGI-like backend makes one variable of: all that is neither letter nor
// digit is taken for '-'.
func EqualCGI(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := 0; i < len(b); i++ {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		} else if !IsAlphanumeric(c) {
			c = '-'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// IsAlias reports whether a field name has another byte than '-' between its letters and digits, so that to a CGI-like
// backend it may be the same as one that hasn't.
func IsAlias(name []byte) bool {
	for _, c := range name {
		if c != '-' && !IsAlphanumeric(c) {
			return true
		}
	}
	return false
}

// IsAlphanumeric reports whether c is a letter or digit of ASCII.
func IsAlphanumeric(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// EqualFold reports whether a and b are equal without regard to ASCII case.
func EqualFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// TrimOWS removes optional white space (SP, HTAB) from both ends.
func TrimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
