package terminal

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Page is text for a terminal that is laid out for a width before any of it is written.
type Page struct {
	bytes.Buffer
	Width   int
	Colours Palette
}

// Line adds a line.
func (p *Page) Line(text string) {
	p.WriteString(strings.TrimRight(text, " "))
	p.WriteByte('\n')
}

// Paragraph adds text in lines that fit, each behind the indent. What in it would be an order to
// the terminal is made harmless.
func (p *Page) Paragraph(indent, text string, style Style) {
	for _, l := range Wrap(Printable(text), p.Width-utf8.RuneCountInString(indent)) {
		p.Line(indent + p.Colours.Paint(style, strings.ReplaceAll(l, string(NoBreak), " ")))
	}
}
