package forwarded

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nanofront/internal/uri"
)

func testPolicy(tb testing.TB) *Policy {
	tb.Helper()
	p, err := NewPolicy([]string{"10.0.0.0/8", " fd00::/8", "192.0.2.1"})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// testRequest is a request by peer with the given fields, "Name: value".
func testRequest(p *Policy, peer string, fields ...string) *Request {
	r := &Request{
		Peer: Peer{IP: netip.MustParseAddr(peer), Text: []byte(peer)},
		Host: []byte("our.host:8080"),
	}
	r.Peer.Trusted = p.Trusts(r.Peer.IP)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		list := map[string]*[][]byte{"XFF": &r.XFor, "XFP": &r.XProto, "XFH": &r.XHost, "F": &r.Forwarded}[name]
		*list = append(*list, []byte(value))
	}
	return r
}

func TestNewPolicy(t *testing.T) {
	if p, err := NewPolicy(nil); p != nil || err != nil || p.Trusts(netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("no proxies: %v, %v", p, err)
	}
	p, err := NewPolicy([]string{"10.1.2.3/8", "::ffff:172.16.0.0/108", "::ffff:192.0.2.7", "fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "172.16.1.1": true, "172.32.0.1": false, "192.0.2.7": true, "192.0.2.8": false,
		"fd00::1": true, "fd00::2": false,
	} {
		if got := p.Trusts(netip.MustParseAddr(a)); got != want {
			t.Errorf("Trusts(%s) = %t, want %t", a, got, want)
		}
	}
	if p.Trusts(netip.Addr{}) {
		t.Error("trusts a peer without an address")
	}
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0", "localhost", "fe80::1%eth0", "::ffff:0:0/90"} {
		if _, err := NewPolicy([]string{bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestResolve(t *testing.T) {
	const own = `;host="our.host:8080";proto=http`
	p := testPolicy(t)
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
			name: "scheme and host alone, in Forwarded", peer: "10.0.0.1", fields: []string{"F: proto=https;host=www.example.com"},
			client: "10.0.0.1", scheme: "https", host: "www.example.com", xFor: "10.0.0.1", forwarded: "for=10.0.0.1;host=www.example.com;proto=https",
		},
		{
			name: "a proxy that doesn't say whom it saw", peer: "10.0.0.1", fields: []string{"F: for=1.1.1.1;proto=http, proto=https"},
			client: "unknown", scheme: "https", xFor: "1.1.1.1, unknown, 10.0.0.1",
			forwarded: "for=1.1.1.1;proto=http, proto=https, for=10.0.0.1" + own,
		},
		{
			name: "empty elements", peer: "10.0.0.1", fields: []string{"XFF: ", "XFF: , 198.51.100.7,, ,10.0.0.2,", "XFP: ,https,"},
			client: "198.51.100.7", scheme: "https", xFor: "198.51.100.7, 10.0.0.2, 10.0.0.1",
			forwarded: `for=198.51.100.7;host="our.host:8080";proto=https, for=10.0.0.2, for=10.0.0.1` + own,
		},
		{
			name: "empty elements alone", peer: "10.0.0.1", fields: []string{"XFF: ,", "XFH: "},
			client: "10.0.0.1", xFor: "10.0.0.1", forwarded: "for=10.0.0.1" + own,
		},
		{
			name: "empty elements, in Forwarded", peer: "10.0.0.1", fields: []string{"F: , ;, for=198.51.100.7;;, ;"},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: ", ;, for=198.51.100.7;;, ;, for=10.0.0.1" + own,
		},
		{
			name: "an unusable host hides nobody", peer: "10.0.0.1", fields: []string{`F: for=198.51.100.7;host="a!b"`},
			client: "198.51.100.7", xFor: "198.51.100.7, 10.0.0.1", forwarded: `for=198.51.100.7;host="a!b", for=10.0.0.1` + own,
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
		r := testRequest(p, c.peer, c.fields...)
		scheme, host := c.scheme, c.host
		if scheme == "" {
			scheme = "http"
		}
		if host == "" {
			host = "our.host:8080"
		}
		// A scratch too small and one large enough must give the same.
		for _, size := range []int{0, 4096} {
			v, _ := Resolve(p, r, make([]byte, 0, size))
			for _, f := range []struct{ what, got, want string }{
				{"client", string(v.ClientText), c.client},
				{"scheme", string(v.Scheme), scheme},
				{"host", string(v.Host), host},
				{"X-Forwarded-For", string(v.XFor), c.xFor},
				{"X-Forwarded-Proto", string(v.XProto), scheme},
				{"X-Forwarded-Host", string(v.XHost), host},
				{"Forwarded", strings.ReplaceAll(string(v.Forwarded), ", ,", ",,"), strings.ReplaceAll(c.forwarded, ", ,", ",,")},
			} {
				if f.got != f.want {
					t.Errorf("%s: %s is\n  %q, want\n  %q", c.name, f.what, f.got, f.want)
				}
			}
			if (c.client == "unknown") == v.Client.IsValid() || (v.Client.IsValid() && v.Client.String() != c.client) {
				t.Errorf("%s: client address %v, want %s", c.name, v.Client, c.client)
			}
		}
	}
}

func TestResolve_HTTPSAndNoHost(t *testing.T) {
	r := &Request{Peer: Peer{IP: netip.MustParseAddr("198.51.100.7"), Text: []byte("198.51.100.7")}, HTTPS: true}
	v, _ := Resolve(nil, r, nil)
	if string(v.Forwarded) != "for=198.51.100.7;proto=https" || string(v.XProto) != "https" || len(v.XHost) != 0 {
		t.Errorf("%+v", v)
	}
	v, _ = Resolve(nil, &Request{Peer: Peer{Text: []byte("unknown")}}, nil)
	if string(v.Forwarded) != "for=unknown;proto=http" || string(v.XFor) != "unknown" || v.Client.IsValid() {
		t.Errorf("%+v", v)
	}
}

func TestHops_ParseForwarded(t *testing.T) {
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

		{"for=192.0.2.43, ;, ;;,", []string{"192.0.2.43"}},
		{"proto=http", nil}, // no list
		{"proto=http, by=_a", nil},
		{"for=192.0.2.43, proto=http", []string{"192.0.2.43", "invalid IP"}},
		{"proto=http;by=_a,for=192.0.2.43", []string{"invalid IP", "192.0.2.43"}},
		{`for=192.0.2.43;host="a b"`, []string{"192.0.2.43"}},
		{`for=192.0.2.43;host=""`, []string{"192.0.2.43"}},
		{"for=192.0.2.43;proto=1http", []string{"192.0.2.43"}},
		{`for="192.0.2\.43"`, []string{"192.0.2.43"}},
		{`for="\[\:\:1\]";x="\"\\"`, []string{"::1"}},

		{"for", nil},
		{"for=", nil},
		{`for=""`, nil},
		{"for=192.0.2.43;host=a_b@c", nil},
		{`for="192.0.2.43\`, nil},
		{"for=\"192.0.2.43\\\x01\"", nil},
		{`for="\1\"\2"`, nil},
		{"=192.0.2.43", nil},
		{"for =192.0.2.43", nil},
		{"for= 192.0.2.43", nil},
		{"for=192.0.2.43; proto=http", nil},
		{"for=192.0.2.43 proto=http", nil},
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
		{`for="192.0.2.43`, nil},
		{`for="192.0.2.43\"`, nil},
		{"for=\"192.0.2.43\x01\"", nil},
		{`for="192.0.2.43"x`, nil},
		{"for=192.0.2.43;by=example.com", nil},
	} {
		var l hops
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

func FuzzResolve(f *testing.F) {
	f.Add([]byte("1.1.1.1, unknown, [::1]:80"), []byte("https, http"), []byte("a, b:80"), []byte(""))
	f.Add([]byte(""), []byte(""), []byte(""), []byte(`for=1.1.1.1;host="a:1";proto=https, for="[::1]:_x";by=unknown, ;;, for=_h`))
	f.Add([]byte(""), []byte("http"), []byte(""), []byte(`for="1.1.1.1`))
	p := testPolicy(f)
	f.Fuzz(func(t *testing.T, xFor, xProto, xHost, forwarded []byte) {
		list := func(b []byte) [][]byte {
			if len(b) == 0 {
				return nil
			}
			return bytes.Split(b, []byte{'\n'})
		}
		r := testRequest(p, "10.0.0.1")
		r.XFor, r.XProto, r.XHost, r.Forwarded = list(xFor), list(xProto), list(xHost), list(forwarded)
		v, scratch := Resolve(p, r, nil)
		if s := string(v.Scheme); s != "http" && s != "https" {
			t.Fatalf("scheme %q", s)
		}
		if !uri.ValidHost(v.Host) {
			t.Fatalf("host %q", v.Host)
		}
		if v.Client.IsValid() && v.Client.String() != string(v.ClientText) {
			t.Fatalf("client %v with the text %q", v.Client, v.ClientText)
		}
		// What we send on, the next terminator must understand, if it trusts us, and see the same
		// client.
		for _, next := range []*Request{
			{XFor: [][]byte{v.XFor}, XProto: [][]byte{v.XProto}, XHost: [][]byte{v.XHost}},
			{Forwarded: [][]byte{v.Forwarded}},
		} {
			next.Peer, next.Host = Peer{IP: r.Peer.IP, Text: r.Peer.Text, Trusted: true}, []byte("between")
			w, _ := Resolve(p, next, nil)
			if w.Client != v.Client || !bytes.Equal(w.ClientText, v.ClientText) {
				t.Fatalf("client %q became %q\n%q\n%q", v.ClientText, w.ClientText, v.XFor, v.Forwarded)
			}
		}
		again, _ := Resolve(p, r, scratch[:0])
		if !bytes.Equal(again.ClientText, v.ClientText) {
			t.Fatalf("client %q, then %q", v.ClientText, again.ClientText)
		}
	})
}

func TestResolve_AllocatesNothing(t *testing.T) {
	p := testPolicy(t)
	for _, r := range []*Request{
		testRequest(p, "198.51.100.7", "XFF: 1.1.1.1"),
		testRequest(p, "10.0.0.1", "XFF: 1.1.1.1, 10.0.0.2", "XFP: https"),
		testRequest(p, "10.0.0.1", "F: for=1.1.1.1;proto=https"),
	} {
		scratch := make([]byte, 0, 512)
		if n := testing.AllocsPerRun(100, func() { _, scratch = Resolve(p, r, scratch) }); n != 0 {
			t.Errorf("%v allocations for %+v", n, r)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	p := testPolicy(b)
	for _, c := range []struct {
		name string
		r    *Request
	}{
		{"direct", testRequest(p, "198.51.100.7")},
		{"trusted", testRequest(p, "10.0.0.1", "XFF: 198.51.100.7", "XFP: https", "XFH: www.example.com")},
	} {
		b.Run("peer="+c.name, func(b *testing.B) {
			scratch := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				_, scratch = Resolve(p, c.r, scratch)
			}
		})
	}
}
