package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

//go:embed page.tmpl
var pageSource string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// HTML writes a report as one page that needs no other file and no script, for light and dark, for desks and phones.
func HTML(w io.Writer, rep *result.Report) error {
	all := result.Summarize(rep.Runs)
	page := pageData{
		Name: rep.Name, Headline: unbroken(Headline(rep)), Notes: rep.Notes, Commands: rep.Commands,
		Elapsed: span(rep.Elapsed), Machine: environmentLine(rep),
		Started: rep.Started.UTC().Format("2 January 2006, 15:04 UTC"),
		Tiles:   tilesOf(all), Environment: environmentRows(rep), Noise: noiseWords(rep.Environment.Noise),
		// Of constants of this program.
		CSS: template.CSS(pageCSS + paintCSS()), //nolint:gosec // no part of it is from a file
	}
	if doubts := result.Doubts(rep); len(doubts) > 0 {
		page.Banner = &banner{Title: BannerTitle, Advice: result.Advice(doubts)}
		for _, d := range doubts {
			page.Banner.Reasons = append(page.Banner.Reasons, unbroken(d.Reason))
		}
	}
	if rep.Started.IsZero() {
		page.Started = "at an unknown time"
	}
	explained := make(map[string]bool)
	for _, g := range groupsOf(all) {
		t := tableOf(g)
		if explained[g.loop] {
			t.Explain = "" // once is enough
		}
		explained[g.loop] = true
		page.Tables = append(page.Tables, t)
	}
	for _, p := range plotsOf(rep) {
		f, err := figureOf(p)
		if err != nil {
			return err
		}
		page.Figures = append(page.Figures, f)
	}
	page.Processes = processRows(all)
	page.Counters = counterRows(all)
	if err := pageTemplate.Execute(w, page); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// banner says why a report isn't to be relied on.
type banner struct {
	Title, Advice string
	Reasons       []string
}

type pageData struct {
	// Banner is nil where nothing is in doubt.
	Banner *banner

	Name, Headline, Started, Elapsed, Machine, Noise string
	CSS                                              template.CSS
	Tiles                                            []tile
	Tables                                           []htmlTable
	Figures                                          []figure
	Processes                                        []processRow
	Counters                                         []counterRow
	Environment                                      [][2]string
	Commands, Notes                                  []string
}

// tile is one figure in large.
type tile struct{ Value, Unit, What string }

type figure struct {
	Name, Title, Caption string
	Wide, Narrow         template.HTML
}

type htmlTable struct {
	Title, Explain string
	Columns        []htmlColumn
	Rows           []htmlRow
}

type htmlColumn struct {
	Head, Help string
	Left       bool
}

type htmlRow struct {
	Cells []htmlCell
	Why   string
	Span  int
}

type htmlCell struct {
	Text, Class string
}

var toneClass = map[tone]string{toneStrong: "strong", toneFaint: "faint", toneWarn: "warn", toneBad: "bad"}

func tableOf(g *group) htmlTable {
	columns := columnsFor(g)
	t := htmlTable{Title: g.title(), Explain: g.explain()}
	for _, c := range columns {
		t.Columns = append(t.Columns, htmlColumn{Head: c.head, Help: c.help, Left: c.left})
	}
	for _, s := range g.rows {
		row := htmlRow{Span: len(columns), Why: failures(s)}
		for _, c := range columns {
			v := c.cell(s)
			class := toneClass[v.tone]
			if c.left {
				class = strings.TrimSpace(class + " left")
			}
			row.Cells = append(row.Cells, htmlCell{v.text, class})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func figureOf(p plot) (figure, error) {
	f := figure{Name: p.name, Title: unbroken(p.title), Caption: unbroken(p.caption)}
	for _, v := range []struct {
		class string
		width float64
		out   *template.HTML
	}{{"wide", widthWide, &f.Wide}, {"narrow", widthNarrow, &f.Narrow}} {
		var b strings.Builder
		if err := p.draw(v.width).writeSVG(&b, p.name+"-"+v.class, v.class, p.title, p.caption, ""); err != nil {
			return f, err
		}
		*v.out = template.HTML(b.String()) //nolint:gosec // svg.go escapes every text that it writes
	}
	return f, nil
}

// unbroken keeps units on the line of their numbers.
func unbroken(s string) string {
	for _, unit := range []string{"%", "×", "ms", "µs", "s", "req/s"} {
		s = strings.ReplaceAll(s, " "+unit+" ", "\u00a0"+unit+" ")
	}
	return strings.ReplaceAll(s, "× ", "×\u00a0")
}

// mostTiles are shown: more than a glance takes is for the table.
const mostTiles = 6

// tilesOf are the figures of nanofront that people ask for first.
func tilesOf(all []*result.Summary) []tile {
	var tiles []tile
	groups := groupsOf(all)
	for _, g := range groups {
		rows := g.of(result.Nanofront)
		if g.loop != result.Closed || len(rows) == 0 {
			continue
		}
		s := slices.MaxFunc(rows, func(a, b *result.Summary) int { return cmp.Compare(a.Rate.Median, b.Rate.Median) })
		what := s.Scenario + ", closed loop by " + s.Driver
		if s.Ratio.N > 0 {
			what += fmt.Sprintf("; %.2f × plain fasthttp", s.Ratio.Median)
		}
		tiles = append(tiles, tile{rate(s.Rate.Median), "req/s", unbroken(what)})
	}
	for _, g := range groups {
		steps := result.ByOffered(g.of(result.Nanofront))
		switch {
		case len(steps) == 0 || isOverload(g):
		case isCurve(g):
			if knee := result.Knee(steps, result.KneeLimits{}); knee != nil {
				tiles = append(tiles, tile{rate(knee.Offered), "req/s knee", g.scenario + ": the most it follows"})
			}
		default:
			s := steps[len(steps)-1]
			if s.P99.N == 0 {
				continue
			}
			v, unit, _ := strings.Cut(latency(s.P99.Median), " ")
			tiles = append(tiles, tile{v, unit + " p99", fmt.Sprintf("%s at %s req/s offered", s.Scenario, rate(s.Offered))})
		}
	}
	return tiles[:min(len(tiles), mostTiles)]
}

// processRow is what a process used in the typical run of a measurement.
type processRow struct {
	// First of its measurement, of so many.
	Measurement string
	Rows        int
	Name, Role  string
	CPU, Busy   string
	PerRequest  string
	Memory      string
	Voluntary   string
	Involuntary string
}

func processRows(all []*result.Summary) []processRow {
	var rows []processRow
	for _, s := range all {
		run := s.Typical
		if isStepOf(s) {
			continue
		}
		for i := range run.Processes {
			p := &run.Processes[i]
			row := processRow{
				Name: p.Name, Role: p.Role,
				CPU: terminal.Nothing, Busy: terminal.Nothing, PerRequest: terminal.Nothing,
				Memory: terminal.Nothing, Voluntary: terminal.Nothing, Involuntary: terminal.Nothing,
			}
			if p.CPUSeconds > 0 {
				row.CPU = fmt.Sprintf("%.1f s", p.CPUSeconds)
			}
			if p.CPUSeconds > 0 && run.Duration > 0 {
				row.Busy = percent(p.CPUSeconds / run.Duration.Seconds())
			}
			if p.PeakRSSBytes > 0 {
				row.Memory = mebibytes(p.PeakRSSBytes)
			}
			if p.VoluntarySwitches+p.InvoluntarySwitches > 0 { // nothing runs without one
				row.Voluntary, row.Involuntary = terminal.Grouped(p.VoluntarySwitches), terminal.Grouped(p.InvoluntarySwitches)
			}
			if n := run.Succeeded(); n > 0 && p.CPUSeconds > 0 {
				row.PerRequest = fmt.Sprintf("%.1f µs", p.CPUSeconds*1e6/n)
			}
			if i == 0 {
				row.Measurement, row.Rows = measurement(s), len(run.Processes)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// measurement names a summary in full.
func measurement(s *result.Summary) string {
	name := s.Scenario + ", " + s.Subject
	if s.Step != "" {
		name += ", " + s.Step
	}
	return name + " (" + s.Driver + ", " + s.Loop + ")"
}

type counterRow struct{ Measurement, Name, Value string }

func counterRows(all []*result.Summary) []counterRow {
	var rows []counterRow
	for _, s := range all {
		name := measurement(s)
		for _, c := range slices.Sorted(maps.Keys(s.Typical.Counters)) {
			rows = append(rows, counterRow{name, c, countedValue(s.Typical.Counters[c])})
			name = ""
		}
	}
	return rows
}

func countedValue(v float64) string {
	if v == float64(int64(v)) {
		return grouped(v)
	}
	return trimZero(v)
}

func environmentRows(rep *result.Report) [][2]string {
	e := &rep.Environment
	var rows [][2]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, value})
		}
	}
	add("CPU", e.CPU)
	if e.Cores > 0 {
		add("cores", grouped(float64(e.Cores)))
	}
	if e.MemoryMB > 0 {
		add("memory", grouped(float64(e.MemoryMB))+" MiB")
	}
	add("system", e.OS)
	add("kernel", e.Kernel)
	add("Go", e.Go)
	add("commit", e.Commit)
	add("autogroup", e.Autogroup)
	add("governor", e.Governor)
	add("limits", strings.Join(e.Limits, ", "))
	add("counted", clockWords(rep.Runs))
	for _, f := range e.Flags {
		add("started with", f)
	}
	return rows
}

func noiseWords(n result.Noise) string {
	if n.SpinP50 == 0 {
		return ""
	}
	return fmt.Sprintf("Noise of the machine, by a spin test: the same piece of work took %.0f µs usually, %.0f µs for one in a hundred, %s at worst; %.1f %% of the time was lost to others. Differences of that size mean nothing.",
		n.SpinP50, n.SpinP99, latency(n.SpinMax/1e3), n.LostPercent)
}
