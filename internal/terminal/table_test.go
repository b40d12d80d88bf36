package terminal

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestTable_FitsTheWidth(t *testing.T) {
	table := Table{Columns: []Column{{Head: "NAME"}, {Head: "N", Right: true}, {Head: "NOTHING"}, {Head: "LONG", Drop: 1}, {Head: "LONGER", Drop: 2}}}
	table.AddCells(Cell{"größe", Red}, Cell{"1", Plain}, Cell{}, Cell{"0123456789", Plain}, Cell{"0123456789abcdef", Plain})
	table.Add("b", "1,024", "", "x", "y")
	for _, tc := range []struct {
		width   int
		colours bool
		want    string
		dropped string
	}{
		{0, false, "NAME       N  LONG        LONGER\ngröße      1  0123456789  0123456789abcdef\nb      1,024  x           y\n", ""},
		{42, false, "NAME       N  LONG        LONGER\ngröße      1  0123456789  0123456789abcdef\nb      1,024  x           y\n", ""},
		{41, false, "NAME       N  LONG\ngröße      1  0123456789\nb      1,024  x\n", "LONGER"},
		{20, false, "NAME       N\ngröße      1\nb      1,024\n", "LONG LONGER"},
		{1, false, "NAME       N\ngröße      1\nb      1,024\n", "LONG LONGER"},
		{20, true, "\x1b[1mNAME\x1b[0m       \x1b[1mN\x1b[0m\n\x1b[31mgröße\x1b[0m      1\nb      1,024\n", "LONG LONGER"},
	} {
		var out bytes.Buffer
		dropped := table.Print(&out, tc.width, tc.colours)
		if out.String() != tc.want || strings.Join(dropped, " ") != tc.dropped {
			t.Errorf("in %d columns, without %q:\n%s\nwant, without %q:\n%s", tc.width, dropped, out.String(), tc.dropped, tc.want)
		}
	}
}

// What isn't known is a dash, names are cut last, and a note goes below its row.
func TestTable_DashesNotesAndNames(t *testing.T) {
	table := Table{Columns: []Column{{Head: "name", Least: 4}, {Head: "rate", Right: true}, {}}}
	table.Add("a long name", "", "")
	table.Note("failed: for reasons that take more than a line", Yellow)
	table.Add("b", "1,024", "more")
	for width, want := range map[int]string{
		0:  "name          rate\na long name      –\n  failed: for reasons that take more than a line\nb            1,024  more\n",
		18: "name    rate\na lo…      –\n  failed: for\n  reasons that\n  take more than a\n  line\nb      1,024  more\n",
	} {
		var out bytes.Buffer
		table.Print(&out, width, false)
		if out.String() != want {
			t.Errorf("in %d columns:\n%s\nwant\n%s", width, out.String(), want)
		}
	}
	var out bytes.Buffer
	table.Print(&out, 0, true)
	for _, want := range []string{"\x1b[2m–\x1b[0m", "  \x1b[33mfailed: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

func TestTerminal_NotOne(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if Is(f) || Colours(f) || Is(&bytes.Buffer{}) {
		t.Error("a file counts as a terminal")
	}
	t.Setenv("COLUMNS", "")
	if w := Width(f); w != DefaultWidth {
		t.Errorf("its width is %d", w)
	}
	t.Setenv("COLUMNS", "123")
	if w := Width(f); w != 123 {
		t.Errorf("with $COLUMNS its width is %d", w)
	}
}
