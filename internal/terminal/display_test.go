package terminal

import (
	"bytes"
	"strings"
	"testing"
)

// Elsewhere than on a terminal, what is shown comes one after the other, without orders to a
// terminal.
func TestDisplay_NoTerminal(t *testing.T) {
	var b bytes.Buffer
	d := NewDisplay(&b)
	d.Open()
	for _, text := range []string{"one", "two"} {
		if err := d.Show(func(s Screen) { s.Line("%s", text) }); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	if b.String() != "one\n\ntwo\n" {
		t.Errorf("%q", b.String())
	}
}

// On a terminal each takes the place of the one before, however much longer that was, and what is
// too long is cut.
func TestDisplay_Frame(t *testing.T) {
	if got, want := frame("a\nb\n", 10), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	long := strings.Repeat("line\n", 100)
	for _, height := range []int{0, 1, 3, 24, 100, 101} {
		lines := strings.Count(frame(long, height), "\n")
		if height > 1 && lines > height-1 || height <= 1 && lines != 100 {
			t.Errorf("%d lines on a terminal of %d", lines, height)
		}
		if cut := strings.Contains(frame(long, height), "more lines"); cut != (height > 1 && height < 101) {
			t.Errorf("on a terminal of %d lines something is cut: %v", height, cut)
		}
	}
}
