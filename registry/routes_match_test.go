package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nanofront/internal/uri"
)

// compile makes a Router whose routes are named; each line is
// "name host|- methods|- path", where a path that ends in '*' is a prefix.
func compile(t testing.TB, lines ...string) *Router {
	t.Helper()
	doc := &Routes{Version: 1}
	for _, line := range lines {
		f := strings.Fields(line)
		r := Route{Name: f[0], Service: "s"}
		if f[1] != "-" {
			r.Match.Host = f[1]
		}
		if f[2] != "-" {
			r.Match.Methods = strings.Split(f[2], ",")
		}
		if p, ok := strings.CutSuffix(f[3], "*"); ok {
			r.Match.Prefix = p
		} else {
			r.Match.Path = f[3]
		}
		doc.Routes = append(doc.Routes, r)
	}
	if err := doc.Validate(); err != nil {
		t.Fatal(err)
	}
	return doc.Compile()
}

func TestRouter_Match(t *testing.T) {
	r := compile(t,
		"root    -              -         /*",
		"a       -              -         /a*",
		"a-slash -              -         /a/*",
		"a-b     -              -         /a/b*",
		"exact   -              -         /a/b",
		"post    -              POST      /a/b",
		"get     -              GET       /m",
		"head    -              HEAD      /m/h",
		"get-h   -              GET       /m/h",
		"put     -              PUT       /m*",
		"host    www.example.com -        /h*",
		"wild    *.example.com  -         /h/x",
		"wilder  *.a.example.com -        /h*",
		"v6      [::1]          -         /v6",
		"v4      127.0.0.1      -         /v4",
		"any-get -              GET       /g",
		"any     -              -         /g",
	)
	tests := []struct{ method, host, path, want string }{
		{"GET", "", "/", "root"},
		{"GET", "", "/x", "root"},
		{"GET", "", "/ab", "root"},
		{"GET", "", "/a", "a"},
		{"GET", "", "/a/", "a-slash"},
		{"GET", "", "/a/x", "a-slash"},
		{"GET", "", "/a/bc", "a-slash"},
		{"GET", "", "/a/b", "exact"},
		{"POST", "", "/a/b", "post"},
		{"GET", "", "/a/b/", "a-b"},
		{"GET", "", "/a/b/c/d", "a-b"},
		{"GET", "", "/m", "get"},
		{"HEAD", "", "/m", "get"},
		{"PUT", "", "/m", "put"},
		{"PUT", "", "/m/n", "put"},
		{"DELETE", "", "/m/n", "root"}, // a less specific route takes any method
		{"HEAD", "", "/m/h", "head"},
		{"GET", "", "/m/h", "get-h"},
		{"HEAD", "", "/g", "any-get"},
		{"GET", "", "/g", "any-get"},
		{"PATCH", "", "/g", "any"},
		{"GET", "www.example.com", "/h", "host"},
		{"GET", "WWW.Example.COM:8080", "/h/x", "host"},
		{"GET", "www.example.com.", "/h/x", "host"},
		{"GET", "www.example.com", "/a", "a"},
		{"GET", "b.example.com", "/h/x", "wild"},
		{"GET", "c.b.example.com", "/h/x", "wild"},
		{"GET", "x.a.example.com", "/h/x", "wilder"},
		{"GET", "a.example.com", "/h/x", "wild"},
		{"GET", "example.com", "/h/x", "root"},
		{"GET", "notexample.com", "/h/x", "root"},
		{"GET", "[::1]:80", "/v6", "v6"},
		{"GET", "[::1]", "/v6", "v6"},
		{"GET", "127.0.0.1:80", "/v4", "v4"},
		{"GET", strings.Repeat("a", 300) + ".example.com", "/h/x", "root"},
		{"GET", ":80", "/h", "root"},
		{"GET", "[", "/h", "root"},
	}
	for _, tt := range tests {
		got, res := r.Match([]byte(tt.method), []byte(tt.host), []byte(tt.path))
		if res != Found || got.Name != tt.want {
			t.Errorf("Match(%s, %q, %s) = %v, %v, want %s", tt.method, tt.host, tt.path, got, res, tt.want)
		}
	}
}

// TestRouter_MatchesInAnySpelling: documents and requests are brought to one form.
func TestRouter_MatchesInAnySpelling(t *testing.T) {
	for _, c := range []struct{ match, host, path string }{ // path as requests are brought to it
		{"- - /caf%c3%a9", "h", "/caf%C3%A9"},
		{"- - /%7Euser", "h", "/~user"},
		{"- - /b[1]", "h", "/b%5B1%5D"},
		{`- - /"<>^|{}`, "h", "/%22%3C%3E%5E%7C%7B%7D"},
		{"- - /%61/%2f%5c*", "h", "/a/%2F%5C/b"},
		{"- - /a%2Fb/*", "h", "/a%2Fb/c"},
		{"- - /!$&'()+,;=:@", "h", "/!$&'()+,;=:@"},
		{"- - /a/...", "h", "/a/..."},
		{"EXAMPLE.com. - /", "example.COM:8080", "/"},
		{"*.EXAMPLE.com. - /", "a.example.COM.", "/"},
		{"[0:0:0:0:0:0:0:1] - /", "[::1]:80", "/"},
		{"[::1] - /", "[0:0::1]", "/"},
		{"[::FFFF:1.2.3.4] - /", "[::ffff:102:304]", "/"},
	} {
		r := compile(t, "it "+c.match)
		if _, res := r.Match([]byte("GET"), []byte(c.host), []byte(c.path)); res != Found {
			t.Errorf("%q doesn't match %s%s", c.match, c.host, c.path)
		}
	}
}

// FuzzRouter_AcceptedRoutesMatch: a route that is taken answers requests that are spelled as it is.
func FuzzRouter_AcceptedRoutesMatch(f *testing.F) {
	for _, s := range []string{"/", "/a", "/caf%c3%a9", "/%7Euser", "/b[1]", "/a/%2e", "/%c0%af", "/a%2fb", "/a b", "/%2e%2e/", "/ä", "/%zz", "/a//b"} {
		f.Add(s, "Example.com")
		f.Add(s, "[0::1]")
	}
	f.Add("/", "*.A.b.")
	f.Fuzz(func(t *testing.T, path, host string) {
		doc := &Routes{Version: 1, Routes: []Route{{Service: "s", Match: Match{Path: path, Host: host}}}}
		if doc.Validate() != nil {
			return
		}
		normal, err := uri.AppendPath(nil, []byte(path))
		if err != nil {
			t.Fatalf("%q is taken, though no request can have it: %v", path, err)
		}
		if below, ok := strings.CutPrefix(host, anyHostPrefix); ok {
			host = "x." + below
		}
		if !uri.ValidHost([]byte(host)) && host != "" {
			t.Fatalf("host %q is taken, though no request can have it", host)
		}
		if _, res := doc.Compile().Match([]byte("GET"), []byte(host), normal); res != Found {
			t.Errorf("%q of %q doesn't match itself", path, host)
		}
	})
}

func TestRouter_RefusesAndAllows(t *testing.T) {
	r := compile(t,
		"get   -             GET       /a",
		"put   -             PUT       /a*",
		"post  -             POST      /a/*",
		"del   *.example.com DELETE    /a",
		"patch h.example.com PATCH     /a",
	)
	tests := []struct {
		method, host, path string
		want               MatchResult
		allow              string
	}{
		{"GET", "", "/b", NotFound, ""},
		{"GET", "", "/ab", NotFound, ""},
		{"GET", "", "", NotFound, ""},
		{"DELETE", "", "/a", MethodNotAllowed, "GET, HEAD, PUT"},
		{"get", "", "/a", MethodNotAllowed, "GET, HEAD, PUT"},
		{"HEAD", "", "/a/x", MethodNotAllowed, "POST, PUT"},
		{"POST", "h.example.com:1", "/a", MethodNotAllowed, "DELETE, GET, HEAD, PATCH, PUT"},
		{"POST", "i.example.com", "/a", MethodNotAllowed, "DELETE, GET, HEAD, PUT"},
	}
	for _, tt := range tests {
		got, res := r.Match([]byte(tt.method), []byte(tt.host), []byte(tt.path))
		if got != nil || res != tt.want {
			t.Errorf("Match(%s, %q, %q) = %v, %v, want %v", tt.method, tt.host, tt.path, got, res, tt.want)
		}
		if a := string(r.Allow(nil, []byte(tt.host), []byte(tt.path))); a != tt.allow {
			t.Errorf("Allow(%q, %q) = %q, want %q", tt.host, tt.path, a, tt.allow)
		}
	}
}

func TestRoutes_CompileFillsInDefaultsAndCopies(t *testing.T) {
	doc := &Routes{Version: 1, Routes: []Route{
		{Match: Match{Prefix: "/a/", Methods: []string{"GET"}, Host: "*.Example.com."}, Service: "s"},
		{Match: Match{Path: "/b"}, Service: "s", Timeout: Duration(time.Second), MaxBody: 7},
	}}
	r := doc.Compile()
	doc.Routes[0].Match.Methods[0] = "PUT"
	doc.Routes[1].Service = "other"
	got, res := r.Match([]byte("GET"), []byte("x.example.com"), []byte("/a/"))
	if res != Found || got.Timeout.Std() != DefaultTimeout || got.MaxBody != DefaultMaxBody || got.Name != "GET *.example.com/a/*" {
		t.Errorf("got %+v, %v", got, res)
	}
	got, res = r.Match([]byte("GET"), nil, []byte("/b"))
	if res != Found || got.Timeout.Std() != time.Second || got.MaxBody != 7 || got.Service != "s" || got.Name != "/b" {
		t.Errorf("got %+v, %v", got, res)
	}
}

// TestRouter_MatchesLikeAScan holds the maps against the rule as it is
// written down: sort all routes by precedence, take the first that fits.
func TestRouter_MatchesLikeAScan(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "ab"})
	path := rapid.Custom(func(t *rapid.T) string {
		p := "/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "segments"), "/")
		if len(p) > 1 && rapid.Bool().Draw(t, "slash") {
			p += "/"
		}
		return p
	})
	host := rapid.SampledFrom([]string{"", "x.y.z", "y.z", "*.z", "*.y.z"})
	methods := rapid.SampledFrom([][]string{nil, {"GET"}, {"POST"}, {"GET", "HEAD"}, {"HEAD"}, {"PUT", "POST"}})
	rapid.Check(t, func(t *rapid.T) {
		doc := &Routes{Version: 1}
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			rt := Route{Service: "s", Match: Match{Host: host.Draw(t, "host"), Methods: methods.Draw(t, "methods")}}
			if rapid.Bool().Draw(t, "exact") {
				rt.Match.Path = path.Draw(t, "path")
			} else {
				rt.Match.Prefix = path.Draw(t, "prefix")
			}
			doc.Routes = append(doc.Routes, rt)
			if doc.Validate() != nil {
				doc.Routes = doc.Routes[:len(doc.Routes)-1] // a clash
			}
		}
		r := doc.Compile()
		var ordered []*Router // of a route each
		for _, rt := range doc.ByPrecedence() {
			ordered = append(ordered, (&Routes{Version: 1, Routes: []Route{rt}}).Compile())
		}
		for range 8 {
			m := rapid.SampledFrom([]string{"GET", "HEAD", "POST", "PUT", "TRACE"}).Draw(t, "method")
			h := rapid.SampledFrom([]string{"", "x.y.z", "y.z", "w.y.z:1", "z", "q"}).Draw(t, "request host")
			p := path.Draw(t, "request path")
			want, wantRes := scan(doc, m, h, p)
			got, res := r.Match([]byte(m), []byte(h), []byte(p))
			gotMatch := ""
			if got != nil {
				gotMatch = got.Match.String()
			}
			if res != wantRes || gotMatch != want {
				t.Fatalf("Match(%s, %s, %s) = %q, %v, want %q, %v\n%+v", m, h, p, gotMatch, res, want, wantRes, doc.Routes)
			}
			first := ""
			for _, one := range ordered {
				if rt, res := one.Match([]byte(m), []byte(h), []byte(p)); res == Found {
					first = rt.Match.String()
					break
				}
			}
			if first != want {
				t.Fatalf("the first of ByPrecedence that matches %s, %s, %s is %q, want %q\n%+v", m, h, p, first, want, doc.ByPrecedence())
			}
		}
	})
}

func scan(doc *Routes, method, host, path string) (string, MatchResult) {
	host, _, _ = strings.Cut(host, ":")
	result, best, bestRank := NotFound, "", -1
	for i := range doc.Routes {
		m := doc.Routes[i].Match
		rank := 0
		switch {
		case m.Host == "":
		case m.Host == host:
			rank += 1_000_000
		case strings.HasPrefix(m.Host, "*.") && strings.HasSuffix(host, m.Host[1:]):
			rank += 10_000 * (1 + len(m.Host))
		default:
			continue
		}
		switch {
		case m.Path == path && path != "":
			rank += 5_000
		case m.Prefix != "" && (path == m.Prefix || strings.HasPrefix(path, strings.TrimSuffix(m.Prefix, "/")+"/")):
			rank += 10 * len(m.Prefix)
		default:
			continue
		}
		fits := 1
		if len(m.Methods) > 0 {
			fits = 0
			for _, want := range m.Methods {
				if want == method {
					fits = 3
				} else if want == "GET" && method == "HEAD" {
					fits = max(fits, 2)
				}
			}
		}
		if fits == 0 {
			if result == NotFound {
				result = MethodNotAllowed
			}
			continue
		}
		result = Found
		if rank += fits; rank > bestRank {
			best, bestRank = m.String(), rank
		}
	}
	return best, result
}

// big has 10,000 routes, the most that there may be.
func big(tb testing.TB) *Router {
	doc := &Routes{Version: 1}
	for i := range MaxRoutes - 1 {
		rt := Route{Service: "s", Match: Match{Path: fmt.Sprintf("/api/v%d/item/%d", i%7, i)}}
		switch i % 3 {
		case 1:
			rt.Match = Match{Prefix: fmt.Sprintf("/tree/%d/%s", i, strings.Repeat("x", i%40))}
		case 2:
			rt.Match.Host = fmt.Sprintf("h%d.example.com", i%50)
		}
		doc.Routes = append(doc.Routes, rt)
	}
	doc.Routes = append(doc.Routes, Route{Service: "s", Match: Match{Prefix: "/"}})
	if err := doc.Validate(); err != nil {
		tb.Fatal(err)
	}
	return doc.Compile()
}

func TestRouter_MatchAllocatesNothing(t *testing.T) {
	r := big(t)
	method, host := []byte("GET"), []byte("H2.Example.com:8080")
	for _, p := range []string{"/api/v0/item/0", "/tree/1/x/y/z", "/none/at/all", "/" + strings.Repeat("/", 8000)} {
		path := []byte(p)
		if n := testing.AllocsPerRun(100, func() { r.Match(method, host, path) }); n != 0 {
			t.Errorf("Match of %s: %v allocations, want 0", clip(p), n)
		}
	}
}

func BenchmarkRouterMatch(b *testing.B) {
	routers := []struct {
		name string
		r    *Router
	}{{"3", DefaultRoutes().Compile()}, {"10000", big(b)}}
	for _, rt := range routers {
		for _, p := range []struct{ name, path string }{
			{"exact", "/api/v0/item/0"},
			{"fallback", "/profile/42"},
			{"slashes", "/" + strings.Repeat("a/", 4000)},
		} {
			b.Run(fmt.Sprintf("routes=%s/path=%s", rt.name, p.name), func(b *testing.B) {
				b.ReportAllocs()
				method, host, path := []byte("GET"), []byte("localhost:8080"), []byte(p.path)
				for b.Loop() {
					if _, res := rt.r.Match(method, host, path); res != Found {
						b.Fatal(res)
					}
				}
			})
		}
	}
}

// A Router of nothing finds nothing.
func TestRouter_ZeroFindsNothing(t *testing.T) {
	var none *Routes
	for name, rt := range map[string]*Router{"zero": {}, "of nil": none.Compile(), "of zero routes": (&Routes{}).Compile()} {
		r, result := rt.Match([]byte("GET"), []byte("example.com"), []byte("/"))
		if r != nil || result != NotFound || len(rt.Routes()) != 0 || len(rt.Allow(nil, []byte("example.com"), []byte("/"))) != 0 {
			t.Errorf("%s: %v, %v", name, r, result)
		}
	}
}
