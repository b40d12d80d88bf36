package exchange

import (
	"testing"

	"nanofront/httpmsg"
	"nanofront/registry"
)

func TestKeyOf(t *testing.T) {
	flightOf := func(path, query, client, lines string) *Exchange {
		f := &Exchange{msg: httpmsg.Request{Path: []byte(path), Query: []byte(query), Client: []byte(client)}}
		f.header.scan(t, lines)
		return f
	}
	for _, c := range []struct {
		hash                       string
		path, query, client, lines string
		path2, query2, cl2, lines2 string
		same, none                 bool // none: neither has a key
	}{
		{"path", "/a", "x=1", "1.2.3.4", "", "/a", "x=2", "1.2.3.5", "A: b\r\n", true, false},
		{"path", "/a", "", "", "", "/b", "", "", "", false, false},
		{"client", "/a", "", "1.2.3.4", "", "/b", "", "1.2.3.4", "", true, false},
		{"client", "/", "", "1.2.3.4", "", "/", "", "1.2.3.5", "", false, false},
		{"client", "/", "", "", "", "/", "", "", "", true, true},
		{"query:id", "/a", "id=1", "", "", "/b", "x=2&id=1&id=3", "", "", true, false},
		{"query:id", "/a", "id=1", "", "", "/a", "id=2", "", "", false, false},
		{"query:id", "/a", "", "", "", "/a", "id=&idx=1&ID=2&id", "", "", true, true},
		{"header:x-user", "/a", "", "", "X-User: u1\r\n", "/b", "", "", "A: b\r\nx-uSER:  u1 \r\nX-User: u2\r\n", true, false},
		{"header:x-user", "/a", "", "", "X-User: u1\r\n", "/a", "", "", "X-User: u2\r\n", false, false},
		{"header:x-user", "/a", "", "", "", "/a", "", "", "X-User: \r\nX-Users: a\r\n", true, true},
		{"header:x-user", "/a", "", "", "X-User: u\r\nConnection: x-user\r\n", "/a", "", "", "", true, true},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/b", "", "", "Cookie: a=b;  sid=1 ; c=d\r\n", true, false},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/b", "", "", "Cookie: a=b\r\ncookie: sid=1; sid=2\r\n", true, false},
		{"cookie:sid", "/a", "", "", "Cookie: sid=1\r\n", "/a", "", "", "Cookie: sid=2\r\n", false, false},
		{"cookie:sid", "/a", "", "", "", "/a", "", "", "Cookie: asid=1; SID=2; sid; sid=\r\n", true, true},
	} {
		h, err := registry.ParseHash(c.hash)
		if err != nil {
			t.Fatal(err)
		}
		one := keyOf(h, flightOf(c.path, c.query, c.client, c.lines))
		two := keyOf(h, flightOf(c.path2, c.query2, c.cl2, c.lines2))
		if (one == two) != c.same || (one == 0 && two == 0) != c.none {
			t.Errorf("%s: %x of %+v, %x of the second: want the same %v, none %v", c.hash, one, c, two, c.same, c.none)
		}
	}
	if k := keyOf(registry.Hash{}, flightOf("/a", "id=1", "1.2.3.4", "")); k != 0 {
		t.Errorf("a route without hash has key %x", k)
	}
}

func TestKeyOf_EveryHeaderFieldThatIsPassedOn(t *testing.T) {
	for _, name := range []string{
		"te", "host", "expect", "trailer", "upgrade", "forwarded", "connection", "keep-alive", "x-request-id", "content-length",
		"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "proxy-connection", "transfer-encoding", "proxy-authenticate",
		"proxy-authorization", "authorization", "accept", "user-agent", "x-user", "cookie", "content-type", "via", "accept-language", "dnt",
	} {
		_, err := registry.ParseHash("header:" + name)
		var h requestHeader
		h.scan(t, name+": "+valueFor(name)+"\r\n")
		if passed := len(h.fields) == 1; passed != (err == nil) {
			t.Errorf("%s: passed on %v, for a hash: %v", name, passed, err)
		}
	}
}

// valueFor is a value that the scanner lets pass.
func valueFor(name string) string {
	switch name {
	case "expect":
		return "100-continue"
	case "transfer-encoding":
		return "chunked"
	}
	return "12345"
}
