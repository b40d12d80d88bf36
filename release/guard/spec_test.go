package guard

import (
	"errors"
	"strings"
	"testing"
)

func TestParse_ReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]string{
		"errors +0.2..+0.5pt, p99 x1.1..x1.3, diff 0.1%": "errors +0.2..+0.5pt, p99 x1.1..x1.3, diff 0.1..0.2%",
		"  p99   x1..x2 ":              "p99 x1..x2",
		"diff 0.1..0.5%":               "diff 0.1..0.5%",
		"errors +0..+1pt":              "errors +0..+1pt",
		Default().String():             "errors +0.2..+0.5pt, p99 x1.1..x1.3",
		"diff 1%..3%,errors +1..+2 pt": "errors +1..+2pt, diff 1..3%",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := s.String(); got != want {
			t.Errorf("Parse(%q) is %q, want %q", text, got, want)
		}
		if again, err := Parse(s.String()); err != nil || again.String() != want {
			t.Errorf("Parse(%q) is %q, %v", s, again, err)
		}
	}
}

func TestParse_NamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "a figure is missing",
		"errors +0.2..+0.5pt,":                "a figure is missing",
		"p50 x1..x2":                          `unknown figure "p50": there are errors, p99 and diff`,
		"errors":                              "tolerated..intolerable, as in +0.2..+0.5pt",
		"errors +0.5pt":                       "tolerated..intolerable, as in +0.2..+0.5pt",
		"errors 0.2..0.5pt":                   `"0.2" has no + before it`,
		"errors +0.2..+0.5":                   "as in +0.2..+0.5pt",
		"errors +0.5..+0.2pt":                 "the intolerable line, 0.2, must be above the tolerated one, 0.5",
		"errors +0.2..+60pt":                  "60 points are more than the 50",
		"errors +0.2..+nanpt":                 `"nan" is no number`,
		"errors +-1..+1pt":                    `"-1" is no number`,
		"p99 1.1..1.3":                        `"1.1" has no x before it`,
		"p99 x0.9..x1.3":                      "want x1 at the least",
		"p99 x1.1..x1.11":                     "less than 5 % apart",
		"p99 x1.1..x101":                      "more than the x100",
		"diff 0.1":                            "as in 0.1%",
		"diff 30%":                            "more than the 50 %",
		"diff 0%":                             "must be above",
		"p99 x1..x2, p99 x1..x3":              "p99 is there twice",
		"errors +0.2..+0.5pt p99 x1.1..x1.3":  "as in +0.2..+0.5pt",
		"errors +0.2..+0.5pt; p99 x1.1..x1.3": "as in +0.2..+0.5pt",
	} {
		_, err := Parse(text)
		if err == nil || !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want one with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("errors +0.2..+0.5pt, p99 x1.1..x1.3, diff 0.1%")
	f.Add("diff 0.1..0.5%")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		for _, name := range s.figures() {
			if l := s.lines(name); !(l.Intolerable > l.Tolerated) || l.Tolerated < 0 {
				t.Errorf("Parse(%q): lines %v of %s", text, l, name)
			}
		}
	})
}
