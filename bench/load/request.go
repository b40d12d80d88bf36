package load

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// entry is a request of a mix, formatted as far as it can be. It doesn't change.
type entry struct {
	name   string
	head   bool // the method is HEAD: the response has no body whatever it says
	expect *checks

	// A request that is the same each time is fixed, and headLen is where its
	// body begins. Another is start, then the length if it has one, then body.
	fixed   []byte
	headLen int
	start   template
	body    template
	hasBody bool

	// waits: the body waits for 100 (Continue).
	waits bool
}

func compileRequest(r *Request, host string, churn bool, seqs *int) (*entry, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	if !token(method) || method == http.MethodConnect {
		return nil, fmt.Errorf("method: %q can't be sent", method)
	}
	if !strings.HasPrefix(r.Path, "/") || strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }) {
		return nil, fmt.Errorf("path: %q must begin with / and have no blank, control character or #", r.Path)
	}
	if r.BodySize < 0 || r.BodySize > MaxBody || len(r.Body) > MaxBody {
		return nil, fmt.Errorf("body_size: %d is out of range: it must be from 0 to %d", cmp.Or(r.BodySize, len(r.Body)), MaxBody)
	}
	if r.BodySize > 0 && r.Body != "" {
		return nil, fmt.Errorf("body and body_size exclude each other")
	}
	expect, err := compileExpect(&r.Expect)
	if err != nil {
		return nil, err
	}
	e := &entry{name: r.Name, head: method == http.MethodHead, expect: expect}
	if e.name == "" {
		e.name = method + " " + r.Path
	}
	if e.head && (e.expect.length > 0 || len(e.expect.contains) > 0) {
		return nil, fmt.Errorf("expect: a response to HEAD has no body")
	}
	body := r.Body
	if r.BodySize > 0 {
		body = filler(r.BodySize)
	}
	var b strings.Builder
	b.WriteString(method + " " + r.Path + " HTTP/1.1\r\n")
	host, own := hostOf(r.Headers, host)
	b.WriteString("Host: " + host + "\r\n")
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		value := r.Headers[name]
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
		if name == own {
			continue
		}
		if strings.EqualFold(name, "Expect") && strings.EqualFold(value, "100-continue") && body != "" {
			e.waits = true
		}
		b.WriteString(name + ": " + value + "\r\n")
	}
	if churn {
		b.WriteString("Connection: close\r\n")
	}
	e.hasBody = body != "" || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
	if e.start, err = parseTemplate(b.String(), seqs); err != nil {
		return nil, err
	}
	if e.body, err = parseTemplate(body, seqs); err != nil {
		return nil, err
	}
	if e.start.constant() && e.body.constant() {
		e.fixed, e.headLen = e.append(nil, new([]byte), nil)
		e.fixed = slices.Clip(e.fixed)
	}
	return e, nil
}

// hostOf is the value of Host, and the name under which headers had it.
func hostOf(headers map[string]string, host string) (value, name string) {
	for n, v := range headers {
		if strings.EqualFold(n, "Host") {
			return v, n
		}
	}
	return host, ""
}

// filler is a body of n bytes that doesn't compress to nothing.
func filler(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'a' + byte(x>>24)%26
	}
	return string(b)
}

// append formats a request behind b, and returns where in the result its body
// begins. scratch is a buffer that is used on the way.
func (e *entry) append(b []byte, scratch *[]byte, d *draws) (out []byte, bodyAt int) {
	if e.fixed != nil {
		return append(b, e.fixed...), len(b) + e.headLen
	}
	b = e.start.append(b, d)
	if e.hasBody {
		*scratch = e.body.append((*scratch)[:0], d)
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(*scratch)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	bodyAt = len(b)
	if e.hasBody {
		b = append(b, *scratch...)
	}
	return b, bodyAt
}

// matcher looks for text in a body that comes in pieces.
type matcher struct {
	want  []byte
	tail  []byte // the last len(want)-1 bytes at most
	found bool
}

func (m *matcher) reset(want []byte) {
	m.want, m.tail, m.found = want, m.tail[:0], len(want) == 0
}

func (m *matcher) feed(b []byte) {
	if m.found {
		return
	}
	keep := len(m.want) - 1
	if len(m.tail) > 0 {
		// What begins in the tail ends in the first keep bytes.
		m.tail = append(m.tail, b[:min(keep, len(b))]...)
		if m.found = bytes.Contains(m.tail, m.want); m.found {
			return
		}
	}
	if m.found = bytes.Contains(b, m.want); m.found {
		return
	}
	if len(b) >= keep {
		m.tail = append(m.tail[:0], b[len(b)-keep:]...)
		return
	}
	if len(m.tail) == 0 {
		m.tail = append(m.tail, b...)
	}
	if over := len(m.tail) - keep; over > 0 {
		m.tail = append(m.tail[:0], m.tail[over:]...)
	}
}
