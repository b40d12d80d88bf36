package terminal

import (
	"fmt"
	"io"
)

// Screen is where a command prints for people.
type Screen struct {
	io.Writer
	Width   int // 0: any
	Colours bool
}

// ScreenOf finds out what w supports. Anything but a terminal is as wide as it needs to be.
func ScreenOf(w io.Writer) Screen {
	s := Screen{Writer: w, Colours: Colours(w)}
	if Is(w) {
		s.Width = Width(w)
	}
	return s
}

// Line prints a line.
func (s Screen) Line(format string, args ...any) {
	_, _ = fmt.Fprintf(s, format+"\n", args...) // as all output of a command
}

// Faint is text that explains.
func (s Screen) Faint(text string) string {
	if s.Colours {
		return Faint.Paint(text)
	}
	return text
}

// Explain says what a word means.
func (s Screen) Explain(word, means string) {
	const column = 12
	lines := []string{means}
	if s.Width > 0 {
		lines = Wrap(means, max(s.Width-column, column))
	}
	for _, l := range lines {
		s.Line("%s", s.Faint(fmt.Sprintf("%-*s%s", column, word, l)))
		word = ""
	}
}
