package http1

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"nanofront/terminator/http1/http1test"
)

// FuzzScanner holds the scanner to finding the same in whatever pieces the bytes come.
func FuzzScanner(f *testing.F) {
	for _, c := range http1test.Cases() {
		if len(c.Raw) < 2000 {
			f.Add([]byte(c.Raw), uint16(len(c.Raw)/2), uint16(7))
		}
	}
	limits := Limits{Head: 600, Fields: 10, Target: 100, Body: 300}
	scan := func(pieces ...[]byte) (fault Fault, state State, length int64) {
		s := Scanner{limits: &limits}
		for _, p := range pieces {
			if fault = s.Scan(p); fault != OK {
				return fault, 0, 0
			}
			if s.start < 0 || s.start > len(p) {
				panic(fmt.Sprintf("start %d of a piece of %d", s.start, len(p)))
			}
		}
		return OK, s.state, s.length
	}
	f.Fuzz(func(t *testing.T, raw []byte, a, b uint16) {
		fault, state, length := scan(raw)
		check := func(how string, pieces ...[]byte) {
			if f, st, l := scan(pieces...); f != fault || st != state || l != length {
				t.Fatalf("at once: fault %d, state %d, length %d; %s: %d, %d, %d\n%q",
					fault, state, length, how, f, st, l, raw)
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

func BenchmarkScanner(b *testing.B) {
	limits := Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20}
	for _, r := range http1test.Samples {
		b.Run(fmt.Sprintf("bytes=%d", len(r)), func(b *testing.B) {
			s := Scanner{limits: &limits}
			p := []byte(r)
			b.ReportAllocs()
			for b.Loop() {
				if v := s.Scan(p); v != OK {
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
