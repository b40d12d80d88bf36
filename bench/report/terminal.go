package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"nanofront/bench/result"
)

// MinWidth is the least number of columns that [Terminal] lays out for.
const MinWidth = 60

const (
	tableIndent = "  "
	tableGap    = "  "
	narrowName  = 8 // letters of a name that are always shown
)

// Terminal writes a report as text for a terminal of that many columns. Fewer than [MinWidth] are taken as
// MinWidth. Where there is no room, columns are left out, those first that say least; refused and failed
// requests are always there. Colour is used only if colour is true.
func Terminal(w io.Writer, rep *result.Report, width int, colour bool) error {
	t := &terminal{width: max(width, MinWidth), colour: colour}
	tone := toneStrong
	if doubts := result.Doubts(rep); len(doubts) > 0 {
		tone = toneFaint
		t.banner(doubts)
	}
	t.paragraph(Headline(rep), "", tone)
	t.line()
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
		t.paragraph("note: "+n, tableIndent, toneNone)
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

// banner says why the figures aren't to be relied on.
func (t *terminal) banner(doubts []result.Doubt) {
	t.paragraph(BannerTitle, "", toneBad)
	for _, d := range doubts {
		t.paragraph("- "+d.Reason, tableIndent, toneWarn)
	}
	t.paragraph(result.Advice(doubts), tableIndent, toneNone)
	t.line()
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
		parts = append(parts, plural(e.Cores, "core"))
	}
	if e.MemoryMB > 0 {
		parts = append(parts, grouped(float64(e.MemoryMB))+" MB")
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

type terminal struct {
	out    bytes.Buffer
	width  int
	colour bool
}

func (t *terminal) line(parts ...string) {
	t.out.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	t.out.WriteByte('\n')
}

// paint adds a tone to a text, by ECMA-48 sequences.
func (t *terminal) paint(s string, tn tone) string {
	if !t.colour || s == "" {
		return s
	}
	switch tn {
	case toneStrong:
		return "\x1b[1m" + s + "\x1b[0m"
	case toneFaint:
		return "\x1b[2m" + s + "\x1b[0m"
	case toneWarn:
		return "\x1b[33m" + s + "\x1b[0m"
	case toneBad:
		return "\x1b[1;31m" + s + "\x1b[0m"
	}
	return s
}

// paragraph writes text in lines that fit.
func (t *terminal) paragraph(text, indent string, tn tone) {
	for _, l := range wrapped(printable(text), t.width-len(indent), letters) {
		t.line(indent, t.paint(l, tn))
	}
}

func (t *terminal) group(g *group) {
	t.paragraph(printable(g.title()), "", toneStrong)
	columns, cells, widths := t.fit(g)
	var head strings.Builder
	for i, c := range columns {
		head.WriteString(padded(c.head, widths[i], c.left, i))
	}
	t.line(tableIndent, t.paint(strings.TrimRight(head.String(), " "), toneFaint))
	for r, row := range cells {
		var b strings.Builder
		for i, c := range row {
			text := padded(c.text, widths[i], columns[i].left, i)
			b.WriteString(t.paint(text, c.tone))
		}
		t.line(tableIndent, b.String())
		if why := failures(g.rows[r]); why != "" {
			t.paragraph("failed: "+why, tableIndent+tableIndent, toneWarn)
		}
	}
	t.line()
}

// fit chooses the columns for which there is room, and their widths.
func (t *terminal) fit(g *group) ([]column, [][]cell, []int) {
	columns := columnsFor(g)
	for {
		cells := make([][]cell, len(g.rows))
		widths := make([]int, len(columns))
		total := len(tableIndent) + len(tableGap)*(len(columns)-1)
		for i, c := range columns {
			widths[i] = letters(c.head)
		}
		for r, s := range g.rows {
			cells[r] = make([]cell, len(columns))
			for i, c := range columns {
				cells[r][i] = c.cell(s)
				cells[r][i].text = printable(cells[r][i].text)
				widths[i] = max(widths[i], letters(cells[r][i].text))
			}
		}
		for _, w := range widths {
			total += w
		}
		if total <= t.width {
			return columns, cells, widths
		}
		drop := 0
		for i, c := range columns {
			if c.rank > columns[drop].rank {
				drop = i
			}
		}
		if columns[drop].rank == 0 {
			// Nothing is left to drop: names get shorter.
			for i := range columns {
				if columns[i].left {
					cut := min(total-t.width, max(widths[i]-narrowName, 0))
					widths[i] -= cut
					total -= cut
				}
			}
			for r := range cells {
				for i := range cells[r] {
					cells[r][i].text = shortened(cells[r][i].text, widths[i])
				}
			}
			return columns, cells, widths
		}
		columns = append(columns[:drop:drop], columns[drop+1:]...)
	}
}

// padded fills a cell up to its width; the i-th of its row.
func padded(s string, width int, left bool, i int) string {
	gap := ""
	if i > 0 {
		gap = tableGap
	}
	space := strings.Repeat(" ", max(0, width-letters(s)))
	if left {
		return gap + s + space
	}
	return gap + space + s
}

func letters(s string) int { return utf8.RuneCountInString(s) }

// shortened cuts a text to n letters.
func shortened(s string, n int) string {
	if letters(s) <= n {
		return s
	}
	return string([]rune(s)[:max(0, n-1)]) + "…"
}

// printable replaces what would do something to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

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
