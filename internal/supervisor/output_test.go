package supervisor

import (
	"bytes"
	"strings"
	"testing"
)

func TestPrefixWriter_Aligned(t *testing.T) {
	for _, c := range []struct {
		color bool
		want  string
	}{
		{false, "a         │ one\nnanofront │ two\n"},
		{true, "\x1b[36ma        \x1b[0m │ one\n\x1b[1mnanofront\x1b[0m │ two\n"},
	} {
		var b bytes.Buffer
		p := &prefixWriter{out: &b, color: c.color}
		p.widen("a")
		p.line("a", 0, "one")
		p.line("nanofront", -1, "two")
		if b.String() != c.want {
			t.Errorf("colour %v: got %q, want %q", c.color, b.String(), c.want)
		}
	}
}

// However the bytes arrive, the lines are the same.
func TestLineWriter_Pieces(t *testing.T) {
	const text = "first\n\nthird\r\nlast"
	want := "a │ first\na │ \na │ third\na │ last\n"
	for size := 1; size <= len(text); size++ {
		var b bytes.Buffer
		w := &lineWriter{out: &prefixWriter{out: &b}, name: "a"}
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if m, err := w.Write([]byte(rest[:n])); m != n || err != nil {
				t.Fatalf("wrote %d, %v", m, err)
			}
			rest = rest[n:]
		}
		w.end()
		w.end()
		if got := b.String(); got != want {
			t.Errorf("%d bytes at a time: got %q, want %q", size, got, want)
		}
	}
}

// A child that never ends its line can't make us hold all of it.
func TestLineWriter_Bounded(t *testing.T) {
	var b bytes.Buffer
	w := &lineWriter{out: &prefixWriter{out: &b}, name: "a"}
	for range 100 {
		if _, err := w.Write([]byte(strings.Repeat("x", 4<<10))); err != nil {
			t.Fatal(err)
		}
		if len(w.part) > maxLine {
			t.Fatalf("%d bytes held", len(w.part))
		}
	}
	if n := strings.Count(b.String(), "x"); n < 100*4<<10-maxLine {
		t.Errorf("%d bytes written", n)
	}
}
