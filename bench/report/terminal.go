package report

import (
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

// Terminal writes a report as text for a terminal of that many columns. Fewer than [MinWidth] are
// taken as MinWidth. Where there is no room, columns are left out, those first that say least;
// refused and failed requests are always there. Colour is used only if colour is true.
func Terminal(w io.Writer, rep *result.Report, width int, colour bool) error {
	p := &terminal.Page{Width: max(width, MinWidth), Colours: terminal.Palette(colour)}
	style := terminal.Bold
	if doubts := result.Doubts(rep); len(doubts) > 0 {
		style = terminal.Faint
		Banner(p, BannerTitle, doubts)
	}
	p.Paragraph("", unbroken(Headline(rep)), style)
	p.Line("")
	explained := make(map[string]string)
	for _, g := range groupsOf(result.Summarize(rep.Runs)) {
		printGroup(p, g)
		explained[g.loop] = g.Explain()
	}
	for _, loop := range []string{result.Closed, result.Open, result.Idle} {
		p.Paragraph("", explained[loop], terminal.Faint)
	}
	p.Paragraph("", unbroken(environmentLine(rep)), terminal.Faint)
	for _, n := range rep.Notes {
		p.Paragraph(indent, "note: "+unbroken(n), terminal.Plain)
	}
	_, err := w.Write(p.Bytes())
	return err
}

// Banner says why figures aren't to be relied on; nothing if there are no doubts.
func Banner(p *terminal.Page, title string, doubts []result.Doubt) {
	if len(doubts) == 0 {
		return
	}
	p.Paragraph("", title, terminal.Red)
	for _, d := range doubts {
		p.Paragraph(indent, "- "+unbroken(d.Reason), terminal.Yellow)
	}
	p.Paragraph(indent, result.Advice(doubts), terminal.Plain)
	p.Line("")
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

func printGroup(p *terminal.Page, g *group) {
	p.Paragraph("", g.Title(), terminal.Bold)
	columns := g.Columns()
	var table terminal.Table
	for _, c := range columns {
		column := terminal.Column{Head: c.Head, Right: !c.Left, Drop: c.rank}
		if c.Left {
			column.Least = leastName
		}
		table.Columns = append(table.Columns, column)
	}
	for _, s := range g.Rows {
		row := make([]terminal.Cell, len(columns))
		for i, c := range columns {
			v := c.Cell(s)
			row[i] = terminal.Cell{Text: terminal.Printable(v.Text), Style: v.style}
		}
		table.AddCells(row...)
		if why := failures(s); why != "" {
			table.Note("failed: "+terminal.Printable(why), terminal.Yellow)
		}
	}
	table.Print(p, p.Width, bool(p.Colours))
	p.Line("")
}

func letters(s string) int { return utf8.RuneCountInString(s) }
