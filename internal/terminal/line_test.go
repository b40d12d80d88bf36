package terminal

import (
	"bytes"
	"testing"
)

func TestLine_DrawsOverWhatIsThere(t *testing.T) {
	var out bytes.Buffer
	l := NewLine(&out)
	l.Clear() // nothing yet
	l.Draw("a longer line")
	l.Draw("short")
	l.Clear()
	l.Clear()
	if want := "\ra longer line\rshort        \r     \r"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
