package http1

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"

	"nanofront/internal/uri"
)

func TestNormalizeTarget(t *testing.T) {
	for _, c := range []struct {
		raw, path string
		query     string // with its '?'
		err       error
	}{
		{raw: "/", path: "/"},
		{raw: "/profile/42", path: "/profile/42"},
		{raw: "/a/b/", path: "/a/b/"},
		{raw: "/a?b=c", path: "/a", query: "?b=c"},
		{raw: "/a?", path: "/a", query: "?"},
		{raw: "/a??b/../c?", path: "/a", query: "??b/../c?"},
		{raw: "/a?%zz%00%", path: "/a", query: "?%zz%00%"},
		{raw: "/?x", path: "/", query: "?x"},
		{raw: "*", path: "*"},
		{raw: "/!$&'()*+,;=:@-._~", path: "/!$&'()*+,;=:@-._~"},

		{raw: "http://a", path: "/"},
		{raw: "http://a/", path: "/"},
		{raw: "HTTP://a/b?c", path: "/b", query: "?c"},
		{raw: "https://a?b", path: "/", query: "?b"},
		{raw: "https://a:1/./b", path: "/b"},
		{raw: "http://a?b?c/..", path: "/", query: "?b?c/.."},

		{raw: "/%41%7a%2D%2e%5F%7E", path: "/Az-._~"},
		{raw: "/%2f%2F%5c", path: "/%2F%2F%5C"},
		{raw: "/%20%3f%23%25", path: "/%20%3F%23%25"},
		{raw: "/%252e%252e/", path: "/%252e%252e/"},
		{raw: "/%3b%3B", path: "/%3B%3B"},
		{raw: "/caf%c3%a9", path: "/caf%C3%A9"},
		{raw: "/%e2%82%ac%f0%9f%98%80", path: "/%E2%82%AC%F0%9F%98%80"},
		{raw: "/<a>\"^`{|}[]", path: "/%3Ca%3E%22%5E%60%7B%7C%7D%5B%5D"},

		{raw: "/.", path: "/"},
		{raw: "/./", path: "/"},
		{raw: "/a/.", path: "/a/"},
		{raw: "/a/./b", path: "/a/b"},
		{raw: "/a/..", path: "/"},
		{raw: "/a/../b", path: "/b"},
		{raw: "/a/b/../../c/", path: "/c/"},
		{raw: "/a/b/..?x", path: "/a/", query: "?x"},
		{raw: "/a/%2e%2E/b", path: "/b"},
		{raw: "/a/.%2e/b", path: "/b"},
		{raw: "/%2e/b", path: "/b"},
		{raw: "/a/.../b", path: "/a/.../b"},
		{raw: "/.a/..b/c..", path: "/.a/..b/c.."},
		{raw: "/a%2f../b", path: "/a%2F../b"},
		{raw: "//", path: "//"},
		{raw: "//a///b", path: "//a///b"},
		{raw: "/a//../b", path: "/a/b"},
		{raw: "//..", path: "/"},
		{raw: `/a?\`, path: "/a", query: `?\`},
		{raw: `http://a?b\c`, path: "/", query: `?b\c`},

		{raw: "", err: ErrTargetForm},
		{raw: "a", err: ErrTargetForm},
		{raw: "?a", err: ErrTargetForm},
		{raw: "**", err: ErrTargetForm},
		{raw: "ftp://a/", err: ErrTargetForm},
		{raw: "http:/a", err: ErrTargetForm},
		{raw: "http://", err: ErrTargetForm},
		{raw: "http:///a", err: ErrTargetForm},
		{raw: "/..", err: uri.ErrRoot},
		{raw: "/../a", err: uri.ErrRoot},
		{raw: "/a/../../b", err: uri.ErrRoot},
		{raw: "/%2e%2e/b", err: uri.ErrRoot},
		{raw: "/%", err: uri.ErrEscape},
		{raw: "/%4", err: uri.ErrEscape},
		{raw: "/%4?1", err: uri.ErrEscape},
		{raw: "/%g0", err: uri.ErrEscape},
		{raw: "/%0g", err: uri.ErrEscape},
		{raw: "/%00", err: uri.ErrEscape},
		{raw: "/a%0d%0ab", err: uri.ErrEscape},
		{raw: "/%1f", err: uri.ErrEscape},
		{raw: "/%7F", err: uri.ErrEscape},
		{raw: "/%c0%af", err: uri.ErrEscape},
		{raw: "/%e0%80%af", err: uri.ErrEscape},
		{raw: "/%ed%a0%80", err: uri.ErrEscape},
		{raw: "/%f4%90%80%80", err: uri.ErrEscape},
		{raw: "/%c3", err: uri.ErrEscape},
		{raw: "/%c3/a", err: uri.ErrEscape},
		{raw: "/%c3%41", err: uri.ErrEscape},
		{raw: "/%80", err: uri.ErrEscape},
		{raw: "/%ff", err: uri.ErrEscape},
		{raw: "/%c3\xa9", err: uri.ErrEscape},
		{raw: "/a b", err: uri.ErrByte},
		{raw: "/a#b", err: uri.ErrByte},
		{raw: "/a\\b", err: uri.ErrByte},
		{raw: "/\xc3\xa9", err: uri.ErrByte},
		{raw: "/\x00", err: uri.ErrByte},
		{raw: "/a?b#c", err: uri.ErrByte},
		{raw: "/a?b c", err: uri.ErrByte},
		{raw: "/a?\r\n", err: uri.ErrByte},
		{raw: "/a?\x7f", err: uri.ErrByte},
		{raw: "/a\\?", err: uri.ErrByte},
		{raw: "/a?b#\\", err: uri.ErrByte},
		{raw: "http://a?#", err: uri.ErrByte},
	} {
		got, _, err := NormalizeTarget([]byte(c.raw), make([]byte, 0, 4))
		query := string(got.Query)
		if got.HasQuery {
			query = "?" + query
		}
		if !errors.Is(err, c.err) || string(got.Path) != c.path || query != c.query {
			t.Errorf("NormalizeTarget(%q) = %q, %q, %v; want %q, %q, %v", c.raw, got.Path, query, err, c.path, c.query, c.err)
		}
	}
}

func TestNormalizeTarget_AllocatesNothing(t *testing.T) {
	scratch := make([]byte, 0, 256)
	for _, raw := range []string{"/profile/42", "/profile/42?a=b", "/a/./%7Eb/../c%2f?d", "http://a/b", "http://a?b"} {
		b := []byte(raw)
		if n := testing.AllocsPerRun(100, func() {
			_, s, err := NormalizeTarget(b, scratch)
			if err != nil {
				t.Fatal(err)
			}
			scratch = s
		}); n != 0 {
			t.Errorf("%v allocations for %q", n, raw)
		}
	}
}

func FuzzNormalizeTarget(f *testing.F) {
	for _, s := range []string{
		"/", "*", "/a/b?c", "/a/../b/./c", "/%2e%2e/x", "//..//", "http://h/p?q", "https://h?q", "/%c3%a9/%25", "/a\"<>", "/%F0%9F%98%80",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got, scratch, err := NormalizeTarget(raw, nil)
		if !bytes.Equal(raw, before) {
			t.Fatalf("%q was changed to %q", before, raw)
		}
		if err != nil {
			return
		}
		if string(got.Path) == "*" {
			if string(raw) != "*" {
				t.Fatalf("%q became an asterisk", raw)
			}
			return
		}
		path := string(got.Path)
		if path == "" || path[0] != '/' {
			t.Fatalf("path %q of %q", path, raw)
		}
		for segment := range strings.SplitSeq(path[1:], "/") {
			plain, err := url.PathUnescape(segment)
			if err != nil {
				t.Fatalf("segment %q of %q: %v", segment, raw, err)
			}
			if plain == "." || plain == ".." || strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("segment %q of %q", segment, raw)
			}
		}
		for _, c := range got.Path {
			if !uri.IsPath(c) && c != '%' {
				t.Fatalf("byte %q in %q of %q", c, path, raw)
			}
		}
		again := path
		if got.HasQuery {
			again += "?" + string(got.Query)
		}
		twice, _, err := NormalizeTarget([]byte(again), scratch)
		if err != nil || string(twice.Path) != path || !bytes.Equal(twice.Query, got.Query) || twice.HasQuery != got.HasQuery {
			t.Fatalf("%q gives %q, and that gives %q?%q, %v", raw, again, twice.Path, twice.Query, err)
		}
	})
}

func BenchmarkNormalizeTarget(b *testing.B) {
	for _, c := range []struct{ name, raw string }{
		{"clean", "/profile/42"},
		{"query", "/profile/42?lang=en&full=1"},
		{"encoded", "/caf%c3%a9/%7Euser/../menu%2fcard?x=y"},
	} {
		b.Run("kind="+c.name, func(b *testing.B) {
			raw, scratch := []byte(c.raw), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if _, scratch, err = NormalizeTarget(raw, scratch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
