package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Line is a line on a terminal that changes. Its methods must not be called at once; failures to
// write are of no account, as there is nowhere to report them.
type Line struct {
	out   io.Writer
	width int // of what is drawn
}

// NewLine makes one that isn't drawn yet. out must be a terminal, or nothing be drawn.
func NewLine(out io.Writer) *Line { return &Line{out: out} }

// Draw draws the text in place of what is there, cut to the terminal's width.
func (l *Line) Draw(text string) {
	text = Clip(text, Width(l.out)-1)
	_, _ = fmt.Fprintf(l.out, "\r%s", Pad(text, l.width))
	l.width = utf8.RuneCountInString(text)
}

// Clear takes it off the terminal.
func (l *Line) Clear() {
	if l.width > 0 {
		_, _ = fmt.Fprintf(l.out, "\r%s\r", strings.Repeat(" ", l.width))
		l.width = 0
	}
}
