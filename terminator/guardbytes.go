package terminator

import (
	"encoding/binary"
	"math/bits"
)

// Byte classes of RFC 9110 section 5.6.2 and RFC 3986 appendix A. One load from a table of 256 bytes
// answers all questions that the guard, the target and the forwarded headers ask about one byte.
const (
	guardToken      = 1 << iota // tchar: field names, methods
	guardTarget                 // may stand in a request target as the guard lets it through
	guardHost                   // may stand in a registered name or an IPv4 address of a Host
	guardUnreserved             // unreserved of RFC 3986: never needs its percent-encoding
	guardPath                   // may stand in a path as it is: pchar without '%', and '/'
	guardHex                    // HEXDIG
	guardDigit                  // DIGIT
)

var guardClass = func() (t [256]uint8) {
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	set := func(class uint8, chars string) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= class
		}
	}
	set(guardToken, digits+letters+"!#$%&'*+-.^_`|~")
	for c := 0x21; c < 0x7f; c++ {
		if c != '#' && c != '\\' {
			t[c] |= guardTarget
		}
	}
	set(guardHost, digits+letters+"-._~")
	set(guardUnreserved, digits+letters+"-._~")
	set(guardPath, digits+letters+"-._~"+"!$&'()*+,;="+":@"+"/")
	set(guardHex, digits+"abcdefABCDEF")
	set(guardDigit, digits)
	return t
}()

const (
	guardOnes  = 0x0101010101010101
	guardHighs = 0x8080808080808080
)

// guardSpecial returns the index of the first control byte (below 0x20, or DEL) in b, or len(b).
// That finds the end of a line and proves all before it free of control bytes in one pass of eight
// bytes a step: half the cost of IndexByte for the line end and a second loop for the control bytes
// (BenchmarkGuardScan).
func guardSpecial(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ (guardOnes * 0x7f)
		// Either term may be wrong about bytes above its first hit, as the subtraction borrows, but
		// never about the first hit; so the lowest bit of both is exact.
		m := ((x-guardOnes*0x20)&^x | (del-guardOnes)&^del) & guardHighs
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

// guardFold reports whether b equals lower, which is in lower case, without regard to ASCII case.
func guardFold(b []byte, lower string) bool {
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

// guardFoldDash is guardFold with '_' taken for '-': what a CGI-like backend makes of a field name.
func guardFoldDash(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := 0; i < len(b); i++ {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		} else if c == '_' {
			c = '-'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// guardEqualFold reports whether a and b are equal without regard to ASCII case.
func guardEqualFold(a, b []byte) bool {
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

// guardTrim removes optional white space (SP, HTAB) from both ends.
func guardTrim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
