package bus

import (
	"strings"
	"testing"
)

func TestNewRequest(t *testing.T) {
	for _, c := range []struct {
		method, target string
		header         []string
		body           []byte
		want           string // METHOD host path query fields
	}{
		{"", "/", nil, nil, "GET s / "},
		{"", "/a?b=c&d", nil, []byte{}, "POST s /a b=c&d"},
		{"PUT", "/a/./b/../c%7e%2f/", nil, []byte("x"), "PUT s /a/c~%2F/ "},
		{"DELETE", "/%c3%a4", []string{"Host: h.example:81", "X-Y:  1, 2 "}, nil, "DELETE h.example:81 /%C3%A4  x-y=1, 2"},
		{"", "/", []string{"User-Agent: me"}, nil, "GET s /  user-agent=me"},
	} {
		r, err := NewRequest("s", c.method, c.target, c.header, c.body)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.target, err)
			continue
		}
		got := strings.Join([]string{string(r.Method), string(r.Host), string(r.Path), string(r.Query)}, " ")
		for _, f := range r.Header {
			if string(f.Value) != "nanofront-bus-call" {
				got += " " + string(f.Name) + "=" + string(f.Value)
			}
		}
		if got != c.want || string(r.Body) != string(c.body) || r.Header.Get("user-agent") == nil {
			t.Errorf("%s %s: got %q, want %q", c.method, c.target, got, c.want)
		}
	}
}

func TestNewRequest_Refused(t *testing.T) {
	for _, c := range []struct {
		method, target, header string
		body                   []byte
		says                   string
	}{
		{"G T", "/", "", nil, "G T"},
		{"", "a", "", nil, "begins with /"},
		{"", "http://x/", "", nil, "begins with /"},
		{"", "/a#b", "", nil, "begins with /"},
		{"", "/%zz", "", nil, "begins with /"},
		{"", "/a b", "", nil, "percent-encoded"},
		{"", "/ä", "", nil, "percent-encoded"},
		{"", "/", "nothing", nil, "NAME: VALUE"},
		{"", "/", ": x", nil, "NAME: VALUE"},
		{"", "/", "a b: x", nil, "NAME: VALUE"},
		{"", "/", "a: x\r\nb: y", nil, "control character"},
		{"", "/", "Transfer-Encoding: chunked", nil, "connection"},
		{"", "/", "Content-Length: 3", nil, "connection"},
		{"", "/", "", make([]byte, MaxCallBody+1), "at most"},
	} {
		var header []string
		if c.header != "" {
			header = []string{c.header}
		}
		if _, err := NewRequest("s", c.method, c.target, header, c.body); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q %q %q: got %v, want %q in it", c.method, c.target, c.header, err, c.says)
		}
	}
}
