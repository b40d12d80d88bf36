package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nanofront/terminator/http1/http1test"
)

var testLimits = Limits{Head: http1test.MaxHead, Fields: 100, Target: 8000, Body: http1test.MaxBody}

// decoded is what a stream of bytes has turned out to be.
type decoded struct {
	bodies []string // of its requests, the last maybe incomplete
	heads  []Head
	fault  Fault
	inBody bool
	length int64
	head   bool
}

// decode reads pieces as a server does: head, body, head, body.
func decode(limits *Limits, pieces ...[]byte) (d decoded) {
	var s Scanner
	var h Head
	s.Init(limits)
	for _, b := range pieces {
		for len(b) > 0 && d.fault == OK {
			var n int
			if s.InBody() {
				var data []byte
				data, n, d.fault = s.ScanBody(b)
				d.bodies[len(d.bodies)-1] += string(data)
			} else {
				var done bool
				if n, done, d.fault = s.ScanHead(b, &h); done {
					d.bodies = append(d.bodies, "")
					d.heads = append(d.heads, h)
					h.Fields = nil
				} else if d.fault == OK && n != len(b) {
					panic("a head that is incomplete before the end of the piece")
				}
			}
			b = b[n:]
		}
	}
	d.inBody, d.length, d.head = s.InBody(), s.Length(), s.Head()
	return d
}

func TestScanner_Cases(t *testing.T) {
	for _, c := range http1test.Cases() {
		d := decode(&testLimits, []byte(c.Raw))
		var got []int
		for range d.bodies {
			got = append(got, 200)
		}
		if d.fault != OK {
			status, _ := d.fault.Response()
			if d.inBody {
				got = got[:len(got)-1]
			}
			got = append(got, status)
		}
		want := slices.DeleteFunc(slices.Clone(c.Want), func(s int) bool { return s == 100 })
		if !slices.Equal(got, want) || (d.fault == OK) != c.Open {
			_, reason := d.fault.Response()
			t.Errorf("%s: got %v (%s), want %v\n%.100q", c.Name, got, reason, want, c.Raw)
		}
		if again := decode(&testLimits, http1test.Bytewise(c.Raw)...); !reflect.DeepEqual(again, d) {
			t.Errorf("%s: at once %+v, byte by byte %+v\n%.100q", c.Name, d, again, c.Raw)
		}
	}
}

func TestScanner_ScanBodyDecodes(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for body, want := range map[string]string{
		"0\r\n\r\n":             "",
		"3\r\nabc\r\n0\r\n\r\n": "abc",
		"3;x=\"\\\";\"\r\nabc\r\n1 ;y\r\n\n\r\n0;z\r\n\r\n": "abc\n",
		"3\r\nabc\r\n0\r\nX: y\r\nZ:\r\n\r\n":               "abc",
		"2\r\n0\r\r\n2\r\n\n0\r\n0\r\n\r\n":                 "0\r\n0",
	} {
		next := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		if d := decode(&testLimits, []byte(head+body+next)); d.fault != OK || !slices.Equal(d.bodies, []string{want, ""}) {
			t.Errorf("%q: %+v, want %q", body, d, want)
		}
	}
}

func TestScanner_Head(t *testing.T) {
	for raw, want := range map[string]bool{
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n":  true,
		"HEAD /\\ HTTP/1.1\r\n":               true,
		"HEAD / HTTP/1.1\r\nX : y\r\n":        true,
		"HEAD /" + strings.Repeat("a", 9000):  true,
		"HEAD /\n":                            true,
		"HEADS / HTTP/1.1\r\nHost: a\r\n\r\n": false,
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n":    false,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\nX\r\n":   true,
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nG(T / HTTP/1.1\r\nHost: a\r\nX\r\n":   false,
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n":                             false,
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n": false,
	} {
		for how, pieces := range map[string][][]byte{"at once": {[]byte(raw)}, "byte by byte": http1test.Bytewise(raw)} {
			if d := decode(&testLimits, pieces...); d.head != want {
				t.Errorf("%.100q, %s: %t", raw, how, d.head)
			}
		}
	}
}

// FuzzScanner holds the scanner to finding the same in whatever pieces the bytes come, and in each
// of the ways to ask it.
func FuzzScanner(f *testing.F) {
	for _, c := range http1test.Cases() {
		if len(c.Raw) < 2000 {
			f.Add([]byte(c.Raw), uint16(len(c.Raw)/2), uint16(7))
		}
	}
	limits := Limits{Head: 600, Fields: 10, Target: 100, Body: 300}
	// By ScanOne, which goes over the body as well.
	over := func(raw []byte) (fault Fault, inBody bool, length int64) {
		var s Scanner
		var h Head
		s.Init(&limits)
		for len(raw) > 0 {
			var n int
			if n, fault = s.ScanOne(raw, &h); fault != OK {
				break
			}
			raw = raw[n:]
		}
		return fault, s.InBody(), s.Length()
	}
	f.Fuzz(func(t *testing.T, raw []byte, a, b uint16) {
		whole := decode(&limits, raw)
		if fault, inBody, length := over(raw); fault != whole.fault || inBody != whole.inBody || length != whole.length {
			t.Fatalf("ScanOne: fault %d, in body %t, length %d; ScanHead and ScanBody: %+v\n%q", fault, inBody, length, whole, raw)
		}
		checkPlaces(t, &limits, raw)
		check := func(how string, pieces ...[]byte) {
			if d := decode(&limits, pieces...); !reflect.DeepEqual(d, whole) {
				t.Fatalf("at once: %+v; %s: %+v\n%q", whole, how, d, raw)
			}
		}
		check("byte by byte", http1test.Bytewise(string(raw))...)
		i, j := int(a)%(len(raw)+1), int(b)%(len(raw)+1)
		if i > j {
			i, j = j, i
		}
		check(fmt.Sprintf("split at %d and %d", i, j), raw[:i], raw[i:j], raw[j:])
	})
}

// checkPlaces compares what is noted of a head to what cutting it up finds.
func checkPlaces(t *testing.T, limits *Limits, raw []byte) {
	t.Helper()
	var s Scanner
	var h Head
	s.Init(limits)
	n, done, _ := s.ScanHead(raw, &h)
	if !done {
		return
	}
	head := bytes.TrimPrefix(raw[:n], []byte("\r\n"))
	lines := bytes.Split(bytes.TrimSuffix(head, []byte("\r\n\r\n")), []byte("\r\n"))
	parts := bytes.Split(lines[0], []byte(" "))
	target := head[h.Method+1 : h.Target]
	if !bytes.Equal(head[:h.Method], parts[0]) || !bytes.Equal(target, parts[1]) || h.Old != s.Old() || h.Old != (string(parts[2]) == "HTTP/1.0") {
		t.Fatalf("%+v of %q", h, head)
	}
	if len(h.Fields) != len(lines)-1 {
		t.Fatalf("%d fields of %q", len(h.Fields), head)
	}
	for i, line := range lines[1:] {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if n, v := h.Fields[i].Cut(head); !bytes.Equal(n, name) || !bytes.Equal(v, TrimOWS(value)) {
			t.Fatalf("field %d is %q: %q of %q", i, n, v, head)
		}
	}
	normal, _, err := NormalizeTarget(target, nil)
	if h.Path == 0 {
		if err == nil && target[0] == '/' && bytes.Equal(normal.Path, target) && !bytes.Contains(target, []byte("/.")) {
			t.Fatalf("%q is in its form, and isn't taken for it", target)
		}
		return
	}
	query := head[min(h.Path+1, h.Target):h.Target]
	if err != nil || !bytes.Equal(normal.Path, head[h.Method+1:h.Path]) || !bytes.Equal(normal.Query, query) || normal.HasQuery != (h.Path < h.Target) {
		t.Fatalf("%q: path ends at %d, query %q; want %q?%q, %v", target, h.Path, query, normal.Path, normal.Query, err)
	}
}

// Where the parts of a head are is noted while it is scanned, and nothing is allocated for it.
func TestScanner_Places(t *testing.T) {
	for _, c := range http1test.Cases() {
		checkPlaces(t, &testLimits, []byte(c.Raw))
	}
	for _, target := range []string{"/", "/?", "/a?b=c?d", "/a/./b", "/.a", "/a.", "/a/.", "/%41", "/a?/.", "/a//b", "/a?\\", "http://a/b?c", "http://a"} {
		checkPlaces(t, &testLimits, []byte("GET "+target+" HTTP/1.1\r\nHost: a\r\nX:\r\nLast: \t y \r\n\r\n"))
	}
	raw := []byte(http1test.Samples[0])
	var s Scanner
	var h Head
	s.Init(&testLimits)
	if n := testing.AllocsPerRun(100, func() {
		if _, fault := s.ScanOne(raw, &h); fault != OK {
			t.Fatal(fault)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzChunks holds the decoding of chunks to that of net/http: whatever is taken here, that reads
// to the same body, the same end, and takes as well.
func FuzzChunks(f *testing.F) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range http1test.Cases() {
		if body, ok := strings.CutPrefix(c.Raw, head); ok && len(body) < 2000 {
			f.Add([]byte(body))
		}
	}
	f.Add([]byte("3;a=b;c=\"d\\\"\" ; e\r\nabc\r\n0;f\r\nX: y\r\n\r\nrest"))
	limits := Limits{Head: 3000, Fields: 10, Target: 100, Body: 3000}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s Scanner
		s.Init(&limits)
		if _, done, fault := s.ScanHead([]byte(head), new(Head)); !done || fault != OK {
			t.Fatal("the head is refused")
		}
		var got []byte
		rest := body
		for s.InBody() && len(rest) > 0 {
			data, n, fault := s.ScanBody(rest)
			if fault != OK {
				return
			}
			got, rest = append(got, data...), rest[n:]
		}
		if s.InBody() {
			return
		}
		if s.Length() != int64(len(got)) {
			t.Fatalf("length %d of a body of %d\n%q", s.Length(), len(got), body)
		}
		in := bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(body)))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("net/http: %v\n%q", err, body)
		}
		want, err := io.ReadAll(r.Body)
		if err != nil && (bytes.Contains(body, []byte(" ;")) || bytes.Contains(body, []byte("\t;"))) {
			return // the grammar has white space there, net/http hasn't
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %q, net/http %q, %v\n%q", got, want, err, body)
		}
		if left, _ := io.ReadAll(in); !bytes.Equal(left, rest) {
			t.Fatalf("ends before %q, net/http before %q\n%q", rest, left, body)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	limits := Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20}
	for _, r := range http1test.Samples {
		b.Run(fmt.Sprintf("bytes=%d", len(r)), func(b *testing.B) {
			s := Scanner{limits: &limits}
			var h Head
			p := []byte(r)
			b.ReportAllocs()
			for b.Loop() {
				if _, v := s.ScanOne(p, &h); v != OK {
					b.Fatal(v.Response())
				}
			}
		})
	}
}

func TestSpecial(t *testing.T) {
	for n := range 40 {
		for at := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte{'\xff'}, n)
				b[at] = byte(c)
				if n > at+1 {
					b[n-1] = '\n'
				}
				want := slices.IndexFunc(b, func(c byte) bool { return c < 0x20 || c == 0x7f })
				if want < 0 {
					want = n
				}
				if got := special(b); got != want {
					t.Fatalf("special(%q) = %d, want %d", b, got, want)
				}
			}
		}
	}
}

func TestFaults_AllHaveAResponse(t *testing.T) {
	seen := map[string]bool{}
	for f := OK + 1; int(f) < len(faults); f++ {
		status, reason := f.Response()
		if status < 400 || status > 505 || reason == "" || seen[reason] {
			t.Errorf("fault %d: %d %q", f, status, reason)
		}
		seen[reason] = true
	}
}
