package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// MinWidth is the least number of columns that [Terminal] lays out for.
const MinWidth = 60

const (
	indent    = "  "
	leastName = 8 // letters of a name that are always shown
)

// Terminal writes a report as text for a terminal of that many columns. Fewer than [MinWidth] are taken as
// MinWidth. Where there is no room, columns are left out, those first that say least; refused and failed
// requests are always there. Colour is used only if colour is true.
func Terminal(w io.Writer, rep *result.Report, width int, colour bool) error {
	t := &screen{width: max(width, MinWidth), colours: terminal.Palette(colour)}
	tone := toneStrong
	if doubts := result.Doubts(rep); len(doubts) > 0 {
		tone = toneFaint
		t.banner(doubts)
	}
	t.paragraph(Headline(rep), "", tone)
	t.line("")
	explained := make(map[string]string)
	for _, g := range groupsOf(result.Summarize(rep.Runs)) {
		t.group(g)
		explained[g.loop] = g.explain()
	}
	for _, loop := range []string{result.Closed, result.Open} {
		t.paragraph(explained[loop], "", toneFaint)
	}
	t.paragraph(environmentLine(rep), "", toneFaint)
	for _, n := range rep.Notes {
		t.paragraph("note: "+n, indent, toneNone)
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

// Banner writes for a terminal why figures aren't to be relied on; nothing if there are no doubts.
func Banner(w io.Writer, doubts []result.Doubt, width int, colour bool) error {
	if len(doubts) == 0 {
		return nil
	}
	t := &screen{width: max(width, MinWidth), colours: terminal.Palette(colour)}
	t.banner(doubts)
	_, err := w.Write(t.out.Bytes())
	return err
}

func (t *screen) banner(doubts []result.Doubt) {
	t.paragraph(BannerTitle, "", toneBad)
	for _, d := range doubts {
		t.paragraph("- "+d.Reason, indent, toneWarn)
	}
	t.paragraph(result.Advice(doubts), indent, toneNone)
	t.line("")
}

// environmentLine says in a line where a report was made.
func environmentLine(rep *result.Report) string {
	e := &rep.Environment
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.CPU)
	if e.Cores > 0 {
		parts = append(parts, terminal.Count(e.Cores, "core"))
	}
	if e.MemoryMB > 0 {
		parts = append(parts, grouped(float64(e.MemoryMB))+" MiB")
	}
	if e.Kernel != "" {
		parts = append(parts, "kernel "+e.Kernel)
	}
	add(e.Go)
	if e.Commit != "" {
		parts = append(parts, "commit "+e.Commit)
	}
	add(clockWords(rep.Runs))
	if e.Noise.SpinP50 > 0 {
		parts = append(parts, fmt.Sprintf("noise: %.1f %% of a spin test's time was lost, its worst piece took %.1f × the usual", e.Noise.LostPercent, e.Noise.SpinMax/e.Noise.SpinP50))
	}
	return strings.Join(parts, ", ")
}

// clockWords says by which clock CPU time was counted; the coarsest, if there were several.
func clockWords(runs []result.Run) string {
	clock := ""
	for i := range runs {
		for j := range runs[i].Processes {
			clock = max(clock, runs[i].Processes[j].CPUClock)
		}
	}
	switch clock {
	case "":
		return ""
	case "ticks":
		return "CPU time in ticks of 10 ms"
	}
	return "CPU time by the " + clock + "'s clock"
}

// screen is what is written to a terminal.
type screen struct {
	out     bytes.Buffer
	width   int
	colours terminal.Palette
}

func (t *screen) line(text string) {
	t.out.WriteString(strings.TrimRight(text, " "))
	t.out.WriteByte('\n')
}

// toneStyle is how a terminal shows a tone.
var toneStyle = map[tone]terminal.Style{toneStrong: terminal.Bold, toneFaint: terminal.Faint, toneWarn: terminal.Yellow, toneBad: terminal.Red}

// paragraph writes text in lines that fit.
func (t *screen) paragraph(text, indent string, tn tone) {
	for _, l := range wrapped(unbroken(terminal.Printable(text)), t.width-len(indent), letters) {
		t.line(indent + t.colours.Paint(toneStyle[tn], strings.ReplaceAll(l, "\u00a0", " ")))
	}
}

func (t *screen) group(g *group) {
	t.paragraph(g.title(), "", toneStrong)
	columns := columnsFor(g)
	var table terminal.Table
	for _, c := range columns {
		column := terminal.Column{Head: c.head, Right: !c.left, Drop: c.rank}
		if c.left {
			column.Least = leastName
		}
		table.Columns = append(table.Columns, column)
	}
	for _, s := range g.rows {
		row := make([]terminal.Cell, len(columns))
		for i, c := range columns {
			v := c.cell(s)
			row[i] = terminal.Cell{Text: terminal.Printable(v.text), Style: toneStyle[v.tone]}
		}
		table.AddCells(row...)
		if why := failures(s); why != "" {
			table.Note("failed: "+terminal.Printable(why), terminal.Yellow)
		}
	}
	table.Print(&t.out, t.width, bool(t.colours))
	t.line("")
}

func letters(s string) int { return utf8.RuneCountInString(s) }

// wrapped breaks a text at spaces, though not at those that bind, into lines of at most width, measured by measure. A word
// that is longer has a line of its own.
func wrapped[N int | float64](text string, width N, measure func(string) N) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case word == "":
		case line == "":
			line = word
		case measure(line+" "+word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
