package httpmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleRequest() *Request {
	return &Request{
		Method: []byte("GET"), Scheme: []byte("http"), Host: []byte("example.com"),
		Path: []byte("/profile/42"), Query: []byte("a=b&name=J%C3%BCrgen"), Client: []byte("192.0.2.1"),
		Header: Fields{{[]byte("accept"), []byte("text/html")}, {[]byte("x-request-id"), []byte("abc")}},
		Body:   []byte("body"),
	}
}

func TestRequest_RoundTrip(t *testing.T) {
	want := sampleRequest()
	var got Request
	if err := got.Decode(want.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &got); d != "" {
		t.Error(d)
	}
	if g := got.Header.Get("accept"); string(g) != "text/html" {
		t.Errorf("Get: got %q", g)
	}
}

func TestRequest_AppendToLowersNames(t *testing.T) {
	r := Request{Header: Fields{{[]byte("X-Request-ID"), []byte("A")}}}
	var got Request
	if err := got.Decode(r.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	if string(got.Header[0].Name) != "x-request-id" || string(got.Header[0].Value) != "A" {
		t.Errorf("got %s", got.Header[0])
	}
}

func TestResponse_RoundTrip(t *testing.T) {
	want := &Response{Status: 404}
	want.Set("content-type", "text/plain")
	want.Set("etag", `"1"`)
	want.Set("content-type", "text/html")
	want.Body = []byte("not here")
	var got Response
	if err := got.Decode(want.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &got); d != "" {
		t.Error(d)
	}
}

func TestDecode_RefusesEveryTruncation(t *testing.T) {
	req := sampleRequest().AppendTo(nil)
	for n := range req {
		if err := new(Request).Decode(req[:n]); err == nil {
			t.Errorf("request cut at %d of %d: no error", n, len(req))
		}
	}
	resp := (&Response{Status: 200, Header: Fields{{[]byte("a"), []byte("b")}}, Body: []byte("x")}).AppendTo(nil)
	for n := range resp {
		if err := new(Response).Decode(resp[:n]); err == nil {
			t.Errorf("response cut at %d of %d: no error", n, len(resp))
		}
	}
}

func TestCheck_NamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{(&Response{Status: 99}).Check(), "status 99"},
		{(&Response{Status: 600}).Check(), "status 600"},
		{(&Response{Header: Fields{{nil, nil}}}).Check(), "name of 0 bytes"},
		{(&Response{Header: Fields{{[]byte("a"), make([]byte, 1<<16)}}}).Check(), "value of header field a has 65536"},
		{(&Request{Method: make([]byte, 256)}).Check(), "method of 256"},
		{(&Request{Header: make(Fields, 257)}).Check(), "257 header fields"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", c.err, c.want)
		}
	}
}

func TestRequest_NoAllocations(t *testing.T) {
	src := sampleRequest()
	var dst Request
	buf := src.AppendTo(nil)
	if err := dst.Decode(buf); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		buf = src.AppendTo(buf[:0])
		_ = dst.Decode(buf)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRequestDecode(f *testing.F) {
	f.Add(sampleRequest().AppendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Request
		if r.Decode(b) != nil {
			return
		}
		if err := r.Check(); err != nil && len(r.Header) > 0 {
			return // an empty field name decodes and is refused to be sent on
		}
		if err := again.Decode(r.AppendTo(nil)); err != nil {
			t.Fatalf("%q: decoded, but not what was encoded from it: %v", b, err)
		}
		if !bytes.Equal(r.Body, again.Body) || len(r.Header) != len(again.Header) {
			t.Fatalf("%q: changed by a round trip", b)
		}
	})
}

func FuzzResponseDecode(f *testing.F) {
	f.Add((&Response{Status: 200, Body: []byte("x")}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Response
		if r.Decode(b) != nil || r.Check() != nil {
			return
		}
		if err := again.Decode(r.AppendTo(nil)); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
	})
}

func BenchmarkRequest_AppendTo(b *testing.B) {
	r := sampleRequest()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = r.AppendTo(buf[:0])
	}
}

func BenchmarkRequest_Decode(b *testing.B) {
	buf := sampleRequest().AppendTo(nil)
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Decode(buf)
	}
}

// The load level stands behind the length, where peers that don't know it see nothing.
func TestRequest_Load(t *testing.T) {
	for _, r := range []Request{
		{Method: []byte("GET"), Path: []byte("/"), Load: 3},
		{Method: []byte("POST"), Path: []byte("/"), Body: []byte("abc"), Length: -1, Load: 1},
		{Method: []byte("POST"), Path: []byte("/"), Body: []byte("abc"), Length: 10},
		{Method: []byte("GET"), Path: []byte("/")},
	} {
		b := r.AppendTo(nil)
		got := Request{Load: 9}
		if err := got.Decode(b); err != nil {
			t.Fatal(err)
		}
		if got.Load != r.Load || got.Length != r.Length || string(got.Body) != string(r.Body) {
			t.Errorf("got load %d, length %d and %q, want %d, %d and %q", got.Load, got.Length, got.Body, r.Load, r.Length, r.Body)
		}
		plain := r
		plain.Load = 0
		if p := plain.AppendTo(nil); string(b[:len(p)]) != string(p) || r.Load == 0 && len(b) != len(p) {
			t.Error("the bytes before it are others")
		}
	}
}
