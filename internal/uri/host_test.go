package uri

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	for _, h := range []string{"a", "a:0", "a:65535", "a.b-c_d~e:80", "127.0.0.1:80", "[::]", "[::1]:1", "[1:2:3:4:5:6:7:8]", "[::1.2.3.4]", strings.Repeat("a", 259)} {
		if !ValidHost([]byte(h)) {
			t.Errorf("%q is refused", h)
		}
	}
	for _, h := range []string{
		"", ":80", "a:", "a:65536", "a:100000", "a:-1", "a:8o", "a:1:2", "a@b", "a/b", "a?b", "a b", "a%20", "a,b", "caf\xc3\xa9", "[::1", "::1", "[]",
		"[::1]x", "[::1]:", "[v1.a]", "[1:2]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[::1%eth0]", "[:1]", "[1:]", "[::12345]", strings.Repeat("a", 260),
	} {
		if ValidHost([]byte(h)) {
			t.Errorf("%q is taken", h)
		}
	}
}

// FuzzIP holds the address parsers that work on bytes to netip's.
func FuzzIP(f *testing.F) {
	for _, s := range []string{
		"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
		"1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", ":::", "1:::2", "g::", "1.2.3.4::", "fe80::1%eth0", "::1.2.3", "12345::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if got, want := ValidIPv4([]byte(s)), err == nil && a.Is4(); got != want {
			t.Errorf("ValidIPv4(%q) = %t", s, got)
		}
		if got, want := ValidIPv6([]byte(s)), err == nil && a.Is6() && a.Zone() == ""; got != want {
			t.Errorf("ValidIPv6(%q) = %t", s, got)
		}
	})
}
