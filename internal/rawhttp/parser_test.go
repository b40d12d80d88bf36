package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

type parsed struct {
	status    int
	length    int64
	close     bool
	done      bool
	used      int
	err       error
	continued bool
}

// parseCut parses text in pieces of a size.
func parseCut(head bool, text string, first, step int) parsed {
	var p Parser
	body := int64(0)
	p.Body = func(b []byte) { body += int64(len(b)) }
	p.Reset(head)
	r := parsed{}
	for at := 0; at < len(text) && !r.done && r.err == nil; {
		end := min(len(text), at+step)
		if at == 0 && first > 0 {
			end = min(len(text), first)
		}
		var n int
		// A fresh copy: the parser must not keep what it was given.
		n, r.done, r.err = p.Feed([]byte(text[at:end]))
		r.used += n
		at = end
	}
	if r.err == nil && !r.done {
		r.done = p.End()
	}
	if body != p.Length {
		panic(fmt.Sprintf("a body of %d bytes, but its length is %d", body, p.Length))
	}
	r.status, r.length, r.close, r.continued = p.Status, p.Length, p.Close, p.Continued
	return r
}

func TestParser_Responses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		head       bool
		want       parsed
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, parsed{status: 200, length: 5}},
		{"no reason", "HTTP/1.1 404\r\ncontent-length:0\r\n\r\n", false, parsed{status: 404}},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, parsed{status: 200, length: 1, close: true}},
		{"1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", false, parsed{status: 200, length: 1}},
		{"close", "HTTP/1.1 200 OK\r\nCONNECTION: upgrade, Close\r\nContent-Length: 1\r\n\r\nx", false, parsed{status: 200, length: 1, close: true}},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nwhatever", false, parsed{status: 200, length: 8, close: true}},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", false, parsed{status: 200, length: 15}},
		{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n00\r\nA: b\r\nC: d\r\n\r\n", false, parsed{status: 200, length: 1}},
		{"204", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", false, parsed{status: 204}},
		{"304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false, parsed{status: 304}},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, parsed{status: 200}},
		{"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, parsed{status: 200, length: 2, continued: true}},
		{"two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", false, parsed{status: 200, length: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			want.done, want.used = true, len(c.text)
			for first := range len(c.text) {
				for _, step := range []int{1, 3, len(c.text)} {
					if got := parseCut(c.head, c.text, first, step); got != want {
						t.Fatalf("cut at %d and by %d: %+v, want %+v", first, step, got, want)
					}
				}
			}
			if want.close && c.name == "until close" {
				return
			}
			// What follows is not touched, and what lacks a byte is not done.
			if got := parseCut(c.head, c.text+"HTTP/1.1 500", 0, 1<<20); got != want {
				t.Errorf("with more behind it: %+v, want %+v", got, want)
			}
			if got := parseCut(c.head, c.text[:len(c.text)-1], 0, 1<<20); got.done || got.err != nil {
				t.Errorf("without the last byte: %+v", got)
			}
		})
	}
}

func TestParser_RefusesWhatIsNone(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for text, want := range map[string]error{
		"SSH-2.0-x\r\n":                                                errStatusLine,
		"HTTP/2.0 200 OK\r\n\r\n":                                      errStatusLine,
		"HTTP/1.2 200 OK\r\n\r\n":                                      errStatusLine,
		"HTTP/1.1 99 OK\r\n\r\n":                                       errStatusLine,
		"HTTP/1.1 600 OK\r\n\r\n":                                      errStatusLine,
		"HTTP/1.1 2000 OK\r\n\r\n":                                     errStatusLine,
		"HTTP/1.1 101 Switching\r\n\r\n":                               errSwitch,
		ok + "no colon\r\n\r\n":                                        errField,
		ok + ": x\r\n\r\n":                                             errField,
		ok + "a: b\nc: d\r\n\r\n":                                      errField,
		ok + "Content-Length: x\r\n\r\n":                               errLength,
		ok + "Content-Length: -1\r\n\r\n":                              errLength,
		ok + "Content-Length: \r\n\r\n":                                errLength,
		ok + "Content-Length: 9999999999999999999\r\n\r\n":             errLength,
		ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n":          errLength,
		ok + "Transfer-Encoding: gzip\r\n\r\n":                         errCoding,
		ok + "Transfer-Encoding: gzip, chunked\r\n\r\n":                errCoding,
		ok + "X: " + strings.Repeat("x", maxHead) + "\r\n\r\n":         errHead,
		ok + "X: " + strings.Repeat("x", 2*maxHead):                    errHead,
		chunked + "x\r\n":                                              errChunk,
		chunked + "\r\n":                                               errChunk,
		chunked + "1\nx":                                               errChunk,
		chunked + "1\r\nxy\r\n":                                        errChunk,
		chunked + "1\r\nx\n":                                           errChunk,
		chunked + "1;\rx":                                              errChunk,
		chunked + "1000000000000000\r\n":                               errChunk,
		chunked + "1;" + strings.Repeat("x", maxChunkLine):             errChunk,
		chunked + "0\r\n" + strings.Repeat("a: b\r\n", maxTrailer/6+1): errChunk,
		chunked + "0\r\na: b\n":                                        errChunk,
	} {
		for _, step := range []int{1, 1 << 20} {
			if got := parseCut(false, text, 0, step); !errors.Is(got.err, want) {
				t.Errorf("%.60q by %d gives %+v, want %v", text, step, got, want)
			}
		}
	}
}

func TestParser_AllocatesNothing(t *testing.T) {
	text := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	chunks := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	var heads, bodies int
	p := Parser{Head: func(b []byte) { heads += len(b) }, Body: func(b []byte) { bodies += len(b) }}
	if n := testing.AllocsPerRun(1000, func() {
		for _, b := range [][]byte{text, chunks} {
			p.Reset(false)
			if _, done, err := p.Feed(b); !done || err != nil || heads == 0 || bodies == 0 {
				t.Fatal(done, err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for two responses", n)
	}
}

// FuzzParser holds the parser against itself, cut into pieces, and against net/http.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304\r\nContent-Length: 7\r\nConnection: close\r\n\r\nHTTP/1.1 200",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhel",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		whole := parseCut(false, string(data), 0, len(data)+1)
		cut := parseCut(false, string(data), 0, int(step)+1)
		if (whole.err == nil) != (cut.err == nil) {
			// Garbage may be told earlier in pieces, but never later taken for good.
			if whole.done || cut.done {
				t.Fatalf("in one piece %+v, in pieces %+v", whole, cut)
			}
			return
		}
		if whole.err == nil && whole != cut {
			t.Fatalf("in one piece %+v, in pieces %+v", whole, cut)
		}
		if whole.err != nil || !whole.done || bytes.HasPrefix(data, []byte("HTTP/1.1 1")) || bytes.HasPrefix(data, []byte("HTTP/1.0 1")) {
			return
		}
		// What is accepted, net/http reads the same way, if it reads it.
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err == nil && (resp.StatusCode != whole.status || n != whole.length) {
			t.Fatalf("%+v, but net/http reads %d with %d bytes", whole, resp.StatusCode, n)
		}
	})
}
