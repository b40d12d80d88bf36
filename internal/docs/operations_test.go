package docs

import (
	"fmt"
	"strings"
	"testing"

	"nanofront/registry"
	"nanofront/terminator/http1"
)

func TestOperations_RoutesExampleIsValid(t *testing.T) {
	seen := 0
	for _, b := range blocks(read(t, "docs/operations.md")) {
		if b.info != "yaml" {
			continue
		}
		seen++
		if _, err := registry.ParseRoutes([]byte(b.text)); err != nil {
			t.Errorf("line %d: %v", b.line, err)
		}
	}
	if seen == 0 {
		t.Error("no routes document found")
	}
}

// TestOperations_RefusedThoughValid holds the table of what is refused though HTTP allows it to
// what the scanner does.
func TestOperations_RefusedThoughValid(t *testing.T) {
	_, text, ok := strings.Cut(read(t, "docs/operations.md"), "Some things that HTTP allows are refused all the same,")
	text, _, _ = strings.Cut(text, "\n#")
	if !ok {
		t.Fatal("the table isn't there")
	}
	get := func(line, fields string) string { return line + "\r\n" + fields + "\r\n" }
	chunked := get("POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n")
	cases := map[string][]string{ // by what stands in the row
		"`HTTP/1.2` and above":         {get("GET / HTTP/1.2", "Host: a\r\n"), get("GET / HTTP/2.0", "Host: a\r\n")},
		"`Content-Length: 5, 5`":       {get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5, 5\r\n"), get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n")},
		"`Content-Length: 005`":        {get("POST / HTTP/1.1", "Host: a\r\nContent-Length: 005\r\n")},
		"`000000005`":                  {chunked + "000000005\r\nabcde\r\n0\r\n\r\n"},
		"Host differing":               {get("GET http://b/ HTTP/1.1", "Host: a\r\n")},
		"`Host: user@host`":            {get("GET / HTTP/1.1", "Host: user@host\r\n"), get("GET / HTTP/1.1", "Host: %41\r\n"), get("GET / HTTP/1.1", "Host: a,b\r\n")},
		"`Transfer-Encoding: gzip,":    {get("POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n")},
		"ends with LF alone":           {"GET / HTTP/1.1\nHost: a\n\n"},
		"an empty line before":         {"\r\n\r\n" + get("GET / HTTP/1.1", "Host: a\r\n")},
		"`Content_Length`":             {get("POST / HTTP/1.1", "Host: a\r\nContent_Length: 5\r\n"), get("POST / HTTP/1.1", "Host: a\r\nTransfer.Encoding: chunked\r\n")},
		"CONNECT, TRACE":               {get("TRACE / HTTP/1.1", "Host: a\r\n"), get("CONNECT a:80 HTTP/1.1", "Host: a:80\r\n")},
		"`Expect` other":               {get("POST / HTTP/1.1", "Host: a\r\nExpect: tea\r\n")},
		"closes its sending side | no": nil, // not the scanner's
	}
	rows := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what") || strings.HasPrefix(line, "| ---") {
			continue
		}
		rows++
		found := false
		for what, requests := range cases {
			if !strings.Contains(line, what) {
				continue
			}
			found = true
			for _, raw := range requests {
				var s http1.Scanner
				s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
				_, fault := s.ScanOne([]byte(raw), new(http1.Head))
				if status, reason := fault.Response(); fault == http1.OK || !strings.Contains(line, fmt.Sprintf("| %d |", status)) {
					t.Errorf("%q gets %d (%s); the document says %s", raw, status, reason, line)
				}
			}
		}
		if !found {
			t.Errorf("a row that is not under test: %s", line)
		}
	}
	if rows != len(cases) {
		t.Errorf("%d rows, want %d", rows, len(cases))
	}
}
