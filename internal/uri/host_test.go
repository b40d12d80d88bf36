package uri

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	for _, h := range []string{"a", "a:0", "a:65535", "a:", "[::1]:", "a:00080", "a.b-c_d~e:80", "127.0.0.1:80", "[::]", "[::1]:1", "[1:2:3:4:5:6:7:8]", "[::1.2.3.4]", strings.Repeat("a", 259)} {
		if !ValidHost([]byte(h)) {
			t.Errorf("%q is refused", h)
		}
	}
	for _, h := range []string{
		"", ":80", ":", "[::1]::", "a::", "a:65536", "a:100000", "a:-1", "a:8o", "a:1:2", "a@b", "a/b", "a?b", "a b", "a%20", "a,b", "caf\xc3\xa9", "[::1", "::1", "[]",
		"[::1]x", "[::1]:x", "[", "[]:1", "[v1.a]", "[1:2]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[::1%eth0]", "[:1]", "[1:]", "[::12345]", strings.Repeat("a", 260),
	} {
		if ValidHost([]byte(h)) {
			t.Errorf("%q is taken", h)
		}
	}
}

func TestEqualAuthority(t *testing.T) {
	for _, c := range []struct {
		a, b string
		port int
		want bool
	}{
		{"a", "a", 80, true},
		{"a", "A", 80, true},
		{"a.Example", "A.eXAMPLE:80", 80, true},
		{"a:", "a", 80, true},
		{"a:443", "a", 443, true},
		{"a:0080", "a", 80, true},
		{"[::1]", "[0:0::0:1]:80", 80, true},
		{"[::FFFF:1.2.3.4]", "[::ffff:102:304]", 80, true},
		{"a", "b", 80, false},
		{"a", "a:443", 80, false},
		{"a:80", "a", 443, false},
		{"a:1", "a:2", 80, false},
		{"[::1]", "[::2]", 80, false},
		{"1.2.3.4", "[::ffff:1.2.3.4]", 80, false},
		{"a", "a.", 80, false},
	} {
		if got := EqualAuthority([]byte(c.a), []byte(c.b), c.port); got != c.want {
			t.Errorf("EqualAuthority(%q, %q, %d) = %t", c.a, c.b, c.port, got)
		}
		if EqualAuthority([]byte(c.b), []byte(c.a), c.port) != c.want {
			t.Errorf("EqualAuthority(%q, %q, %d) is another way round", c.b, c.a, c.port)
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
