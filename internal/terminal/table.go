package terminal

import (
	"fmt"
	"io"
	"slices"
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
	Blue   Style = 34
	Cyan   Style = 36
)

// Paint is text in a style.
func (s Style) Paint(text string) string {
	if s == Plain || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", int(s), text)
}

// Palette colours text, or doesn't.
type Palette bool

// Paint is text in a style, if it may have one.
func (p Palette) Paint(s Style, text string) string {
	if !p {
		return text
	}
	return s.Paint(text)
}

// Column is one column of a Table.
type Column struct {
	// Head is in lower case, as units are. What has no text in a column with a head is shown as a
	// dash.
	Head  string
	Right bool // numbers
	// Least is how many characters stay where the table is too wide and no column is left to be
	// left out; 0: all.
	Least int
	// Drop says how soon the column is left out where the table is too wide: the
	// highest first, and 0 never.
	Drop int
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
	notes   map[int][]Cell // by how many rows stand above
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

// Note adds a line below the last row, which goes across the columns.
func (t *Table) Note(text string, style Style) {
	if t.notes == nil {
		t.notes = make(map[int][]Cell)
	}
	t.notes[len(t.rows)] = append(t.notes[len(t.rows)], Cell{text, style})
}

// Print writes the table, with styles only if colours. It leaves out columns until
// it fits into width, as far as it may, and returns their heads; 0 is any width. A column
// that has nothing in any row isn't shown either.
func (t *Table) Print(w io.Writer, width int, colours bool) (dropped []string) {
	head := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Cell{c.Head, Bold}
	}
	all := append([][]Cell{head}, t.rows...)
	widths := make([]int, len(t.Columns))
	for _, row := range all {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	empty := t.empty()
	for _, row := range t.rows {
		for i := range row {
			if row[i].Text == "" && t.Columns[i].Head != "" && !empty[i] {
				row[i] = Cell{Nothing, Faint}
				widths[i] = max(widths[i], 1)
			}
		}
	}
	shown := t.fit(widths, empty, width)
	for i, c := range t.Columns {
		if !shown[i] && !empty[i] {
			dropped = append(dropped, c.Head)
		}
	}
	for n, row := range all {
		var line strings.Builder
		for i, c := range row {
			if !shown[i] {
				continue
			}
			c.Text = Clip(c.Text, widths[i])
			text := Palette(colours).Paint(c.Style, c.Text)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text))
			if t.Columns[i].Right {
				text = pad + text
			} else {
				text += pad
			}
			if line.Len() > 0 {
				line.WriteString(gap)
			}
			line.WriteString(text)
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " ")) // as all output of a command
		for _, note := range t.notes[n] {
			lines := []string{note.Text}
			if width > 0 {
				lines = Wrap(note.Text, width-len(noteIndent))
			}
			for _, l := range lines {
				_, _ = fmt.Fprintln(w, noteIndent+Palette(colours).Paint(note.Style, l)) // as above
			}
		}
	}
	return dropped
}

const (
	gap        = "  " // between columns
	noteIndent = "  "
)

// empty tells the columns that have nothing in any row.
func (t *Table) empty() []bool {
	empty := make([]bool, len(t.Columns))
	for i := range empty {
		empty[i] = len(t.rows) > 0 && !slices.ContainsFunc(t.rows, func(row []Cell) bool { return i < len(row) && row[i].Text != "" })
	}
	return empty
}

// fit chooses the columns.
func (t *Table) fit(widths []int, empty []bool, width int) (shown []bool) {
	shown = make([]bool, len(widths))
	total := -len(gap)
	for i, w := range widths {
		if !empty[i] {
			shown[i] = true
			total += w + len(gap)
		}
	}
	for width > 0 && total > width {
		next := -1
		for i, c := range t.Columns {
			if shown[i] && c.Drop > 0 && (next < 0 || c.Drop > t.Columns[next].Drop) {
				next = i
			}
		}
		if next < 0 {
			t.narrow(widths, shown, total-width)
			break
		}
		shown[next] = false
		total -= widths[next] + len(gap)
	}
	return shown
}

// narrow takes so many characters from the columns that may be cut.
func (t *Table) narrow(widths []int, shown []bool, over int) {
	for i, c := range t.Columns {
		if shown[i] && c.Least > 0 && over > 0 {
			cut := min(over, max(widths[i]-c.Least, 0))
			widths[i] -= cut
			over -= cut
		}
	}
}
