package uri

// Byte classes of RFC 3986 appendix A. One load from a table of 256 bytes answers each question
// about one byte.
const (
	target     = 1 << iota // may stand in a request target, wherever
	query                  // may stand in its query
	regName                // may stand in a registered name or an IPv4 address
	unreserved             // unreserved: never needs its percent-encoding
	path                   // may stand in a path as it is: pchar without '%', and '/'
	hexDigit               // HEXDIG
	digit                  // DIGIT
)

var class = func() (t [256]uint8) {
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	set := func(class uint8, chars string) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= class
		}
	}
	for c := 0x21; c < 0x7f; c++ {
		if c != '#' && c != '\\' {
			t[c] |= target
		}
		if c != '#' {
			t[c] |= query
		}
	}
	set(regName|unreserved, digits+letters+"-._~")
	set(path, digits+letters+"-._~"+"!$&'()*+,;="+":@"+"/")
	set(hexDigit, digits+"abcdefABCDEF")
	set(digit, digits)
	return t
}()

// IsTarget reports whether c may stand in a request target. That is more than RFC 3986 allows: all
// printable ASCII but '#' and '\\', as clients send '"', '<', '^', '|' and the like.
func IsTarget(c byte) bool { return class[c]&target != 0 }

// IsQuery is IsTarget for the query, where browsers send '\\' as it is. In a path some take that
// for '/'.
func IsQuery(c byte) bool { return class[c]&query != 0 }

// IsUnreserved reports whether c is unreserved in RFC 3986, section 2.3.
func IsUnreserved(c byte) bool { return class[c]&unreserved != 0 }

// IsPath reports whether c may stand in a path as it is: a pchar but '%', or '/'.
func IsPath(c byte) bool { return class[c]&path != 0 }

// IsHex reports whether c is a hexadecimal digit.
func IsHex(c byte) bool { return class[c]&hexDigit != 0 }

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return class[c]&digit != 0 }

// Unhex is the value of a hexadecimal digit.
func Unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0x0f + 9
}
