package terminator

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func forwardedTestPolicy(tb testing.TB) *forwardedPolicy {
	tb.Helper()
	p, err := forwardedNewPolicy([]string{"10.0.0.0/8", " fd00::/8", "192.0.2.1"})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// forwardedTestRequest is a request by peer with the given fields, "Name: value".
func forwardedTestRequest(p *forwardedPolicy, peer string, fields ...string) *forwardedRequest {
	r := &forwardedRequest{
		peer:     netip.MustParseAddr(peer),
		peerText: []byte(peer),
		host:     []byte("our.host:8080"),
	}
	r.peerTrusted = p.trusts(r.peer)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		list := map[string]*[][]byte{"XFF": &r.xFor, "XFP": &r.xProto, "XFH": &r.xHost, "F": &r.forwarded}[name]
		*list = append(*list, []byte(value))
	}
	return r
}

func TestForwardedNewPolicy(t *testing.T) {
	if p, err := forwardedNewPolicy(nil); p != nil || err != nil || p.trusts(netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("no proxies: %v, %v", p, err)
	}
	p, err := forwardedNewPolicy([]string{"10.1.2.3/8", "::ffff:172.16.0.0/108", "::ffff:192.0.2.7", "fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "172.16.1.1": true, "172.32.0.1": false, "192.0.2.7": true, "192.0.2.8": false,
		"fd00::1": true, "fd00::2": false,
	} {
		if got := p.trusts(netip.MustParseAddr(a)); got != want {
			t.Errorf("trusts(%s) = %t, want %t", a, got, want)
		}
	}
	if p.trusts(netip.Addr{}) {
		t.Error("trusts a peer without an address")
	}
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0", "localhost", "fe80::1%eth0", "::ffff:0:0/90"} {
		if _, err := forwardedNewPolicy([]string{bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestForwardedResolve(t *testing.T) {
	const own = `;host="our.host:8080";proto=http`
	p := forwardedTestPolicy(t)
	for _, c := range []struct {
		name   string
		peer   string
		fields []string

		client, scheme, host string // scheme and host are http and our.host:8080 if empty
		xFor, forwarded      string
	}{
		{
			name: "direct", peer: "198.51.100.7",
			client: "198.51.100.7", xFor: "198.51.100.7", forwarded: "for=198.51.100.7" + own,
		},
		{
			name: "direct, IPv6", peer: "2001:db8::7",
			client: "2001:db8::7", xFor: "2001:db8::7", forwarded: `for="[2001:db8::7]"` + own,
		},
		{
			name: "untrusted peer's words count for nothing", peer: "198.51.100.7",
			fields: []string{"XFF: 1.1.1.1", "XFP: https", "XFH: evil", "F: for=2.2.2.2;proto=https;host=evil"},
			client: "198.51.100.7", xFor: "198.51.100.7", forwarded: "for=198.51.100.7" + own,
		},
		{
			name: "trusted peer itself", peer: "10.0.0.1",
			client: "10.0.0.1", xFor: "10.0.0.1", forwarded: "for=10.0.0.1" + own,
		},
		{
			name: "X-Forwarded by a trusted peer", peer: "10.0.0.1",
			fields: []string{"XFF: 198.51.100.7", "XFP: https", "XFH: www.example.com"},
			client: "198.51.100.7", scheme: "https", host: "www.example.com",
			xFor:      "198.51.100.7, 10.0.0.1",
			forwarded: "for=198.51.100.7;host=www.example.com;proto=https, for=10.0.0.1" + own,
		},
		{
			name: "scheme alone", peer: "10.0.0.1", fields: []string{"XFP: HTTPS"},
			client: "10.0.0.1", scheme: "https", xFor: "10.0.0.1", forwarded: `for=10.0.0.1;host="our.host:8080";proto=https`,
		},
		{
			name: "a client's forgery left of the truth", peer: "10.0.0.1",
			fields: []string{"XFF: 1.1.1.1, 198.51.100.7"},
			client: "198.51.100.7", xFor: "1.1.1.1, 198.51.100.7, 10.0.0.1",
			forwarded: "for=1.1.1.1, for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "a client's forgery of a trusted address", peer: "10.0.0.1",
			fields: []string{"XFF: 1.1.1.1, 10.0.0.9, 198.51.100.7, 10.0.0.2"},
			client: "198.51.100.7", xFor: "1.1.1.1, 10.0.0.9, 198.51.100.7, 10.0.0.2, 10.0.0.1",
			forwarded: "for=1.1.1.1, for=10.0.0.9, for=198.51.100.7" + own + ", for=10.0.0.2, for=10.0.0.1" + own,
		},
		{
			name: "all trusted", peer: "10.0.0.1", fields: []string{"XFF: 10.0.0.3, fd00::2"},
			client: "10.0.0.3", xFor: "10.0.0.3, fd00::2, 10.0.0.1",
			forwarded: `for=10.0.0.3` + own + `, for="[fd00::2]", for=10.0.0.1` + own,
		},
		{
			name: "several fields, odd spacing, ports, brackets", peer: "10.0.0.1",
			fields: []string{"XFF: 1.1.1.1:80 ,\t[2001:DB8::1]", "XFF: [2001:db8::2]:443"},
			client: "2001:db8::2", xFor: "1.1.1.1, 2001:db8::1, 2001:db8::2, 10.0.0.1",
			forwarded: `for=1.1.1.1, for="[2001:db8::1]", for="[2001:db8::2]"` + own + ", for=10.0.0.1" + own,
		},
		{
			name: "IPv4-mapped", peer: "10.0.0.1", fields: []string{"XFF: ::ffff:198.51.100.7"},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: "for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "unknown client", peer: "10.0.0.1", fields: []string{"XFF: 1.1.1.1, unknown, 10.0.0.2"},
			client: "unknown", xFor: "1.1.1.1, unknown, 10.0.0.2, 10.0.0.1",
			forwarded: "for=1.1.1.1, for=unknown" + own + ", for=10.0.0.2, for=10.0.0.1" + own,
		},
		{
			name: "garbage is given up, what was added after it isn't", peer: "10.0.0.1",
			fields: []string{`XFF: 1.1.1.1, "' OR 1=1, 198.51.100.7`},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: "for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "garbage alone counts as absent, and the other field isn't believed instead", peer: "10.0.0.1",
			fields: []string{"XFF: 1.1.1.1, nonsense", "F: for=2.2.2.2"},
			client: "10.0.0.1", xFor: "10.0.0.1", forwarded: "for=10.0.0.1" + own,
		},
		{
			name: "X-Forwarded-For has the word when both are there", peer: "10.0.0.1",
			fields: []string{"XFF: 198.51.100.7", "F: for=2.2.2.2;proto=https"},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: "for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "a list longer than is told of", peer: "10.0.0.1",
			fields: []string{"XFF: " + strings.Repeat("1.1.1.1, ", 32) + "198.51.100.7"},
			client: "198.51.100.7", xFor: strings.Repeat("1.1.1.1, ", 16) + "198.51.100.7, 10.0.0.1",
			forwarded: strings.Repeat("for=1.1.1.1, ", 16) + "for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "schemes and hosts hop by hop", peer: "10.0.0.1",
			fields: []string{"XFF: 198.51.100.7, 10.0.0.2", "XFP: https, http", "XFH: outer", "XFH: inner"},
			client: "198.51.100.7", scheme: "https", host: "outer", xFor: "198.51.100.7, 10.0.0.2, 10.0.0.1",
			forwarded: "for=198.51.100.7;host=outer;proto=https, for=10.0.0.2, for=10.0.0.1" + own,
		},
		{
			name: "schemes that don't match the hops: the last", peer: "10.0.0.1",
			fields: []string{"XFF: 198.51.100.7", "XFP: http, https"},
			client: "198.51.100.7", scheme: "https", xFor: "198.51.100.7, 10.0.0.1",
			forwarded: `for=198.51.100.7;host="our.host:8080";proto=https, for=10.0.0.1` + own,
		},
		{
			name: "unusable scheme and host", peer: "10.0.0.1",
			fields: []string{"XFF: 198.51.100.7", "XFP: javascript", "XFH: a/b"},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: "for=198.51.100.7" + own + ", for=10.0.0.1" + own,
		},
		{
			name: "Forwarded by a trusted peer", peer: "10.0.0.1",
			fields: []string{`F: for=1.1.1.1, for="[2001:db8::1]:4711";proto=https;host="www.example.com:443";by=_lb`, "F: For=10.0.0.2;ext=\"a,b;c\""},
			client: "2001:db8::1", scheme: "https", host: "www.example.com:443", xFor: "1.1.1.1, 2001:db8::1, 10.0.0.2, 10.0.0.1",
			forwarded: `for=1.1.1.1, for="[2001:db8::1]:4711";proto=https;host="www.example.com:443";by=_lb, For=10.0.0.2;ext="a,b;c", for=10.0.0.1` + own,
		},
		{
			name: "obfuscated client", peer: "10.0.0.1", fields: []string{"F: for=_hidden;proto=https, for=10.0.0.2"},
			client: "unknown", scheme: "https", xFor: "unknown, 10.0.0.2, 10.0.0.1",
			forwarded: "for=_hidden;proto=https, for=10.0.0.2, for=10.0.0.1" + own,
		},
		{
			name: "broken Forwarded counts as absent", peer: "10.0.0.1", fields: []string{`F: for="1.1.1.1, for=2.2.2.2`},
			client: "10.0.0.1", xFor: "10.0.0.1", forwarded: "for=10.0.0.1" + own,
		},
		{
			name: "broken Forwarded before a good one", peer: "10.0.0.1", fields: []string{`F: for="1.1.1.1`, "F: , ", "F: for=198.51.100.7"},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: ",, for=198.51.100.7, for=10.0.0.1" + own,
		},
	} {
		r := forwardedTestRequest(p, c.peer, c.fields...)
		scheme, host := c.scheme, c.host
		if scheme == "" {
			scheme = "http"
		}
		if host == "" {
			host = "our.host:8080"
		}
		// A scratch too small and one large enough must give the same.
		for _, size := range []int{0, 4096} {
			v, _ := forwardedResolve(p, r, make([]byte, 0, size))
			for _, f := range []struct{ what, got, want string }{
				{"client", string(v.clientText), c.client},
				{"scheme", string(v.scheme), scheme},
				{"host", string(v.host), host},
				{"X-Forwarded-For", string(v.xFor), c.xFor},
				{"X-Forwarded-Proto", string(v.xProto), scheme},
				{"X-Forwarded-Host", string(v.xHost), host},
				{"Forwarded", strings.ReplaceAll(string(v.forwarded), ", ,", ",,"), strings.ReplaceAll(c.forwarded, ", ,", ",,")},
			} {
				if f.got != f.want {
					t.Errorf("%s: %s is\n  %q, want\n  %q", c.name, f.what, f.got, f.want)
				}
			}
			if (c.client == "unknown") == v.client.IsValid() || (v.client.IsValid() && v.client.String() != c.client) {
				t.Errorf("%s: client address %v, want %s", c.name, v.client, c.client)
			}
		}
	}
}

func TestForwardedResolve_HTTPSAndNoHost(t *testing.T) {
	r := &forwardedRequest{peer: netip.MustParseAddr("198.51.100.7"), peerText: []byte("198.51.100.7"), https: true}
	v, _ := forwardedResolve(nil, r, nil)
	if string(v.forwarded) != "for=198.51.100.7;proto=https" || string(v.xProto) != "https" || len(v.xHost) != 0 {
		t.Errorf("%+v", v)
	}
	v, _ = forwardedResolve(nil, &forwardedRequest{peerText: []byte("unknown")}, nil)
	if string(v.forwarded) != "for=unknown;proto=http" || string(v.xFor) != "unknown" || v.client.IsValid() {
		t.Errorf("%+v", v)
	}
}

func TestForwardedList_ParseForwarded(t *testing.T) {
	for _, c := range []struct {
		value string
		want  []string // addresses; nil: refused
	}{
		{"for=192.0.2.60;proto=http;by=203.0.113.43", []string{"192.0.2.60"}},
		{`For="[2001:db8:cafe::17]:4711"`, []string{"2001:db8:cafe::17"}},
		{`for="_gazonk"`, []string{"invalid IP"}},
		{"for=_a.b-c", []string{"invalid IP"}},
		{`for="_a:_b"`, []string{"invalid IP"}},
		{"for=UNKNOWN", []string{"invalid IP"}},
		{"for=192.0.2.43, for=198.51.100.17", []string{"192.0.2.43", "198.51.100.17"}},
		{"for=192.0.2.43,for=198.51.100.17 ,\tfor=unknown", []string{"192.0.2.43", "198.51.100.17", "invalid IP"}},
		{`for="192.0.2.43:80"`, []string{"192.0.2.43"}},
		{`for="192.0.2.43:_p"`, []string{"192.0.2.43"}},
		{",, for=192.0.2.43 ,,", []string{"192.0.2.43"}},
		{";for=192.0.2.43;;", []string{"192.0.2.43"}},
		{"for=192.0.2.43;proto=ws;x=y", []string{"192.0.2.43"}},
		{`for=192.0.2.43;x=" ;,="`, []string{"192.0.2.43"}},

		{"for", nil},
		{"for=", nil},
		{"=192.0.2.43", nil},
		{"for =192.0.2.43", nil},
		{"for= 192.0.2.43", nil},
		{"for=192.0.2.43; proto=http", nil},
		{"for=192.0.2.43 proto=http", nil},
		{"proto=http", nil},
		{"for=192.0.2.43;for=192.0.2.43", nil},
		{"for=192.0.2.43;proto=http;PROTO=http", nil},
		{"for=192.0.2.43;host=a;host=a", nil},
		{"for=192.0.2.43;by=_a;by=_b", nil},
		{"for=192.0.2.43:80", nil},
		{"for=[::1]", nil},
		{`for="[::1"`, nil},
		{`for="[::1]x"`, nil},
		{`for="[::1]:"`, nil},
		{`for="[192.0.2.1]"`, nil},
		{`for="::1"`, nil},
		{`for="192.0.2.43:123456"`, nil},
		{`for="[fe80::1%25eth0]"`, nil},
		{"for=192.0.2.256", nil},
		{"for=example.com", nil},
		{"for=_", nil},
		{"for=_a~b", nil},
		{"for=192.0.2.43;host=a_b@c", nil},
		{`for=192.0.2.43;host="a b"`, nil},
		{`for=192.0.2.43;proto="h p"`, nil},
		{"for=192.0.2.43;proto=1http", nil},
		{`for="192.0.2.43`, nil},
		{`for="192.0.2.43\"`, nil},
		{`for="192.0.2\.43"`, nil},
		{"for=\"192.0.2.43\x01\"", nil},
		{`for="192.0.2.43"x`, nil},
		{"for=192.0.2.43;by=example.com", nil},
	} {
		var l forwardedList
		l.parseForwarded([][]byte{[]byte(c.value)})
		var got []string
		for _, n := range l.nodes[:l.n] {
			got = append(got, n.addr.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.value, got, c.want)
		}
	}
}

func TestHostValid(t *testing.T) {
	for _, h := range []string{"a", "a:0", "a:65535", "a.b-c_d~e:80", "127.0.0.1:80", "[::]", "[::1]:1", "[1:2:3:4:5:6:7:8]", "[::1.2.3.4]", strings.Repeat("a", 259)} {
		if !hostValid([]byte(h)) {
			t.Errorf("%q is refused", h)
		}
	}
	for _, h := range []string{
		"", ":80", "a:", "a:65536", "a:100000", "a:-1", "a:8o", "a:1:2", "a@b", "a/b", "a?b", "a b", "a%20", "a,b", "caf\xc3\xa9", "[::1", "::1", "[]",
		"[::1]x", "[::1]:", "[v1.a]", "[1:2]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[::1%eth0]", "[:1]", "[1:]", "[::12345]", strings.Repeat("a", 260),
	} {
		if hostValid([]byte(h)) {
			t.Errorf("%q is taken", h)
		}
	}
}

// FuzzHostIP holds the address parsers that work on bytes to netip's.
func FuzzHostIP(f *testing.F) {
	for _, s := range []string{
		"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
		"1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", ":::", "1:::2", "g::", "1.2.3.4::", "fe80::1%eth0", "::1.2.3", "12345::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if got, want := hostIPv4([]byte(s)), err == nil && a.Is4(); got != want {
			t.Errorf("hostIPv4(%q) = %t", s, got)
		}
		if got, want := hostIPv6([]byte(s)), err == nil && a.Is6() && a.Zone() == ""; got != want {
			t.Errorf("hostIPv6(%q) = %t", s, got)
		}
	})
}

func FuzzForwardedResolve(f *testing.F) {
	f.Add([]byte("1.1.1.1, unknown, [::1]:80"), []byte("https, http"), []byte("a, b:80"), []byte(""))
	f.Add([]byte(""), []byte(""), []byte(""), []byte(`for=1.1.1.1;host="a:1";proto=https, for="[::1]:_x";by=unknown, ;;, for=_h`))
	f.Add([]byte(""), []byte("http"), []byte(""), []byte(`for="1.1.1.1`))
	p := forwardedTestPolicy(f)
	f.Fuzz(func(t *testing.T, xFor, xProto, xHost, forwarded []byte) {
		list := func(b []byte) [][]byte {
			if len(b) == 0 {
				return nil
			}
			return bytes.Split(b, []byte{'\n'})
		}
		r := forwardedTestRequest(p, "10.0.0.1")
		r.xFor, r.xProto, r.xHost, r.forwarded = list(xFor), list(xProto), list(xHost), list(forwarded)
		v, scratch := forwardedResolve(p, r, nil)
		if s := string(v.scheme); s != "http" && s != "https" {
			t.Fatalf("scheme %q", s)
		}
		if !hostValid(v.host) {
			t.Fatalf("host %q", v.host)
		}
		if v.client.IsValid() && v.client.String() != string(v.clientText) {
			t.Fatalf("client %v with the text %q", v.client, v.clientText)
		}
		// What we send on, the next terminator must understand, if it trusts us, and see the same client.
		for _, next := range []*forwardedRequest{
			{xFor: [][]byte{v.xFor}, xProto: [][]byte{v.xProto}, xHost: [][]byte{v.xHost}},
			{forwarded: [][]byte{v.forwarded}},
		} {
			next.peer, next.peerText, next.peerTrusted, next.host = r.peer, r.peerText, true, []byte("between")
			w, _ := forwardedResolve(p, next, nil)
			if w.client != v.client || !bytes.Equal(w.clientText, v.clientText) {
				t.Fatalf("client %q became %q\n%q\n%q", v.clientText, w.clientText, v.xFor, v.forwarded)
			}
		}
		again, _ := forwardedResolve(p, r, scratch[:0])
		if !bytes.Equal(again.clientText, v.clientText) {
			t.Fatalf("client %q, then %q", v.clientText, again.clientText)
		}
	})
}

func TestForwardedResolve_AllocatesNothing(t *testing.T) {
	p := forwardedTestPolicy(t)
	for _, r := range []*forwardedRequest{
		forwardedTestRequest(p, "198.51.100.7", "XFF: 1.1.1.1"),
		forwardedTestRequest(p, "10.0.0.1", "XFF: 1.1.1.1, 10.0.0.2", "XFP: https"),
		forwardedTestRequest(p, "10.0.0.1", "F: for=1.1.1.1;proto=https"),
	} {
		scratch := make([]byte, 0, 512)
		if n := testing.AllocsPerRun(100, func() { _, scratch = forwardedResolve(p, r, scratch) }); n != 0 {
			t.Errorf("%v allocations for %+v", n, r)
		}
	}
}

func BenchmarkForwardedResolve(b *testing.B) {
	p := forwardedTestPolicy(b)
	for _, c := range []struct {
		name string
		r    *forwardedRequest
	}{
		{"direct", forwardedTestRequest(p, "198.51.100.7")},
		{"trusted", forwardedTestRequest(p, "10.0.0.1", "XFF: 198.51.100.7", "XFP: https", "XFH: www.example.com")},
	} {
		b.Run("peer="+c.name, func(b *testing.B) {
			scratch := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				_, scratch = forwardedResolve(p, c.r, scratch)
			}
		})
	}
}
