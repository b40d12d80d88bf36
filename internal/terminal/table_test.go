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
