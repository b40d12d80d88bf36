package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

//go:embed page.tmpl
var pageSource string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock": clockWords, "failures": failures, "join": strings.Join, "measurement": measurement,
	"microseconds": func(v float64) string { return latency(v / 1e3) }, "span": span, "step": isStepOf, "svg": svg,
	"thousands": terminal.Grouped[int64], "unbroken": unbroken, "used": used, "value": countedValue,
}).Parse(pageSource))

// pageData is what page.tmpl shows.
type pageData struct {
	*result.Report
	// Headline is the report's own, or one made of its figures.
	Headline string
	// Doubts are why it isn't to be relied on, if there are any.
	Doubts        []result.Doubt
	Title, Advice string // of the doubts

	CSS       template.CSS
	Machine   string
	Tiles     []tile
	Plots     []plot
	Groups    []*group
	Summaries []*result.Summary
}

// Style is how all pages look: for light and dark, for desks and phones.
func Style() template.CSS {
	return template.CSS(pageCSS + paintCSS()) //nolint:gosec // constants of this program
}

// HTML writes a report as one page that needs no other file and no script, for light and dark, for
// desks and phones.
func HTML(w io.Writer, rep *result.Report) error {
	all := result.Summarize(rep.Runs)
	doubts := result.Doubts(rep)
	err := pageTemplate.Execute(w, pageData{
		Report: rep, Headline: Headline(rep), Doubts: doubts, Title: BannerTitle, Advice: result.Advice(doubts), Machine: environmentLine(rep),
		CSS:   Style(),
		Tiles: tilesOf(all), Plots: plotsOf(rep), Groups: groupsOf(all), Summaries: all,
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// tile is one figure in large.
type tile struct{ Value, Unit, What string }

// svg draws a plot, for screens that are "wide" or "narrow".
func svg(p plot, class string) (template.HTML, error) {
	width := widthWide
	if class == "narrow" {
		width = widthNarrow
	}
	var b strings.Builder
	err := p.draw(width).writeSVG(&b, p.Name+"-"+class, class, p.Title, p.Caption, "")
	return template.HTML(b.String()), err //nolint:gosec // svg.go escapes every text that it writes
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
		case len(steps) == 0 || isOverload(g) || g.loop == result.Idle:
		case isCost(g):
			for _, s := range steps[:min(len(steps), 2)] {
				if s.CPU.N > 0 {
					tiles = append(tiles, tile{fmt.Sprintf("%.0f", s.CPU.Median), "µs of CPU", fmt.Sprintf("a request at %s/s", rate(s.Offered))})
				}
			}
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

// used is what a process used in a run: CPU time, in the time of the run, and per request; memory;
// switches.
func used(p result.Process, run *result.Run) []string {
	cells := slices.Repeat([]string{terminal.Nothing}, 6)
	if p.CPUSeconds > 0 {
		cells[0] = fmt.Sprintf("%.1f s", p.CPUSeconds)
		if run.Duration > 0 {
			cells[1] = percent(p.CPUSeconds / run.Duration.Seconds())
		}
		if n := run.Succeeded(); n > 0 {
			cells[2] = fmt.Sprintf("%.1f µs", p.CPUSeconds*1e6/n)
		}
	}
	if p.PeakRSSBytes > 0 {
		cells[3] = mebibytes(p.PeakRSSBytes)
	}
	if p.VoluntarySwitches+p.InvoluntarySwitches > 0 { // nothing runs without one
		cells[4], cells[5] = terminal.Grouped(p.VoluntarySwitches), terminal.Grouped(p.InvoluntarySwitches)
	}
	return cells
}

// measurement names a summary in full.
func measurement(s *result.Summary) string {
	name := s.Scenario + ", " + s.Subject
	if s.Step != "" {
		name += ", " + s.Step
	}
	return name + " (" + s.Driver + ", " + s.Loop + ")"
}

func countedValue(v float64) string {
	if v == float64(int64(v)) {
		return grouped(v)
	}
	return trimZero(v)
}
