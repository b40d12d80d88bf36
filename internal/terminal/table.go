package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style is the colour of a cell.
type Style int

// The styles that there are, as SGR parameters (ECMA-48, section 8.3.117).
const (
	Plain  Style = 0
	Bold   Style = 1
	Faint  Style = 2
	Red    Style = 31
	Green  Style = 32
	Yellow Style = 33
)

// Paint is text in a style.
func (s Style) Paint(text string) string {
	if s == Plain || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", int(s), text)
}

// Column is one column of a Table.
type Column struct {
	Head  string
	Right bool // numbers
}

// Cell is one cell of a Table.
type Cell struct {
	Text  string
	Style Style
}

// Table is text in aligned columns.
type Table struct {
	Columns []Column
	rows    [][]Cell
}

// Add adds a row. Columns that it doesn't reach stay empty.
func (t *Table) Add(cells ...string) {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		row[i].Text = c
	}
	t.rows = append(t.rows, row)
}

// AddCells is Add with styles.
func (t *Table) AddCells(cells ...Cell) { t.rows = append(t.rows, cells) }

// Print writes the table, with styles only if colours.
func (t *Table) Print(w io.Writer, colours bool) {
	head := make([]Cell, len(t.Columns))
	width := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Cell{c.Head, Bold}
	}
	all := append([][]Cell{head}, t.rows...)
	for _, row := range all {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.Text))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, c := range row {
			text := c.Text
			if colours {
				text = c.Style.Paint(text)
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.Text))
			switch {
			case t.Columns[i].Right:
				text = pad + text
			case i < len(row)-1:
				text += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(text)
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " ")) // as all output of a command
	}
}

// Wrap cuts text into lines of at most width columns, at spaces; a word that is
// longer has a line of its own.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
