package exchange

import (
	"fmt"
	"strings"
	"testing"

	"nanofront/terminator/http1"
	"nanofront/terminator/http1/http1test"
)

func TestSaneRequestID(t *testing.T) {
	for value, want := range map[string]bool{
		"":                                     false,
		"a":                                    true,
		"9f8b7c6d-1234-4abc-8def-001122334455": true,
		"Root=1-67891233-abcdef012345678912345678": true,
		"a.b_c~d+e/f=g:h@i":                        true,
		strings.Repeat("x", maxRequestID):          true,
		strings.Repeat("x", maxRequestID+1):        false,
		"a b":                                      false, "a\tb": false, `a"b`: false, "a\\b": false, "a{b": false, "a%b": false, "a;b": false, "a,b": false,
		"a<b": false, "a\x00b": false, "a\x7fb": false, "ä": false, "a\nb": false, "$(id)": false, "${jndi}": false,
	} {
		if got := saneRequestID([]byte(value)); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

// scan has the scanner look at the fields, and reads them.
func (h *requestHeader) scan(t *testing.T, lines string) {
	t.Helper()
	head := "GET / HTTP/1.1\r\n" + strings.TrimSuffix(lines, "\r\n\r\n")
	head = strings.TrimSuffix(head, "\r\n") + "\r\n"
	if !strings.Contains(strings.ToLower(head), "\nhost:") {
		head += "Host: h\r\n"
	}
	h.read([]byte(head), headOf(t, head+"\r\n").Fields)
}

// headOf has the scanner look at a head.
func headOf(t *testing.T, raw string) *http1.Head {
	t.Helper()
	var at http1.Head
	var s http1.Scanner
	s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
	if _, done, fault := s.ScanHead([]byte(raw), &at); !done {
		_, reason := fault.Response()
		t.Fatalf("%q: %s", raw, reason)
	}
	return &at
}

func TestRequestHeader_Read(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"plain", "Accept: a\r\nX-B:  b \r\n\r\n", "Accept=a X-B=b"},
		{"hop by hop", "Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\n" +
			"Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nProxy-Authorization: x\r\nA: 1\r\n", "A=1"},
		{"any case", "CONNECTION: x-a\r\nkEEP-aLIVE: 5\r\nX-A: gone\r\nx-b: stays\r\n", "x-b=stays"},
		{"listed before and after", "X-One: 1\r\nConnection: x-one, close ,X-TWO,,\r\nConnection: x-three\r\nX-Two: 2\r\nX-Three: 3\r\nX-Four: 4\r\n", "X-Four=4"},
		{"ours", "Host: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX-Request-Id: id\r\nX-Forwarded-For: f\r\n" +
			"X-Forwarded-Proto: p\r\nX-Forwarded-Host: h\r\nForwarded: for=x\r\nContent-Type: t\r\n", "Content-Type=t"},
		{"twice", "Cookie: a\r\nCookie: b\r\n", "Cookie=a Cookie=b"},
		{"no value", "X-A:\r\n", "X-A="},
		{"of a special one's length", "xx: 1\r\nxxxx: 2\r\nxxxxxx: 3\r\nxxxxxxxxxx: 4\r\n", "xx=1 xxxx=2 xxxxxx=3 xxxxxxxxxx=4"},
	} {
		var h requestHeader
		for range 2 { // it is used again
			h.scan(t, c.raw)
			var got []string
			for _, f := range h.fields {
				got = append(got, string(f.Name)+"="+string(f.Value))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("%s: got %s, want %s", c.name, s, c.want)
			}
			h.reset()
		}
	}
	var h requestHeader
	h.scan(t, "X-Request-Id: fine\r\nX-Request-Id: not fine\r\nX-Forwarded-For: a\r\nx-forwarded-for: b\r\n")
	if string(h.requestID) != "fine" || len(h.xFor) != 2 {
		t.Errorf("request id %q, %d X-Forwarded-For: want fine and 2", h.requestID, len(h.xFor))
	}
}

// BenchmarkHead is all that is done with a head before its route is looked for.
func BenchmarkHead(b *testing.B) {
	for _, r := range http1test.Samples {
		b.Run(fmt.Sprintf("bytes=%d", len(r)), func(b *testing.B) {
			var x Exchange
			var at http1.Head
			var s http1.Scanner
			s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
			raw := []byte(r)
			b.ReportAllocs()
			for b.Loop() {
				n, fault := s.ScanOne(raw, &at)
				if fault != http1.OK {
					b.Fatal(fault.Response())
				}
				x.request = append(x.request[:0], raw[:n]...)
				x.read(x.request[:n-int(s.Length())], &at)
				x.header.reset()
			}
		})
	}
}
