package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"nanofront/bench/result"
	"nanofront/internal/wholefile"
)

// plot is a picture with what is to be said of it; what is exported is for page.tmpl.
type plot struct {
	// Name is the plot's file and anchor: lower case, digits, hyphens.
	Name string
	// topic is what the plot is of, and claim what it shows.
	topic, claim string
	// Title is both.
	Title string
	// Caption says in a sentence how to read it.
	Caption string
	draw    func(width float64) *drawing
}

// Widths in pixels that plots are laid out for.
const (
	widthWide   = 920.0
	widthNarrow = 360.0
	widthFile   = 860.0
)

// kindWords say what a plot shows that makes no claim, by the first word of its name.
var kindWords = map[string]string{
	"throughput": "rate", "latency": "latency", "rate": "latency against rate", "overload": "what becomes of requests",
	"stages": "time by stage", "time": "latency over time", "cpu": "CPU per request",
}

// plotsOf returns the plots for which a report has figures.
func plotsOf(rep *result.Report) []plot {
	all := result.Summarize(rep.Runs)
	var plots []plot
	add := func(p *plot) {
		if p != nil {
			plots = append(plots, *p)
		}
	}
	groups := groupsOf(all)
	for _, p := range throughputPlots(groups) {
		add(p)
	}
	for _, g := range groups {
		add(percentilesPlot(g))
	}
	for _, g := range groups {
		add(curvePlot(g))
		add(overloadPlot(g))
	}
	for _, g := range groups {
		for _, s := range g.Rows {
			if s.Subject != result.Nanofront && len(g.subjects()) > 1 {
				continue
			}
			add(stagesPlot(s))
			add(overtimePlot(s))
		}
	}
	for _, g := range groups {
		add(cpuPlot(g))
	}
	noisy := len(result.Doubts(rep)) > 0
	for i := range plots {
		p := &plots[i]
		if noisy {
			kind, _, _ := strings.Cut(p.Name, "-")
			p.claim = kindWords[kind] + ", provisional"
		}
		p.Title = p.topic + ": " + p.claim
	}
	return named(plots)
}

// named makes the names of plots good for files, and no two the same.
func named(plots []plot) []plot {
	seen := make(map[string]int)
	for i := range plots {
		plots[i].Name = unique(seen, plots[i].Name)
	}
	return plots
}

// unique is a name that is good for a file and isn't among those seen.
func unique(seen map[string]int, name string) string {
	name = slug(name)
	seen[name]++
	if n := seen[name]; n > 1 {
		return fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

const maxSlug = 80

// slug keeps letters and digits, with hyphens for what is between.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxSlug {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

// Plots writes each plot of a report as an SVG file into a folder, which it makes if need be, and
// returns the names of the files. They follow the reader's choice of light or dark.
func Plots(dir string, rep *result.Report) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var files []string
	for _, p := range plotsOf(rep) {
		name := filepath.Join(dir, p.Name+".svg")
		if err := wholefile.Write(name, func(w io.Writer) error {
			return p.draw(widthFile).framed(p.Title, p.Caption).writeSVG(w, p.Name, "", p.Title, p.Caption, paintCSS())
		}); err != nil {
			return files, fmt.Errorf("report: %w", err)
		}
		files = append(files, name)
	}
	return files, nil
}
