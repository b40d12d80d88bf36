package chaos

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

//go:embed page.tmpl
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

type (
	htmlColumn struct {
		Head, Help string
		Left       bool
	}
	htmlCell struct{ Text, Class string }
	htmlRow  struct {
		Cells []htmlCell
		Why   string
	}
)

// classes are the page's names for what a verdict looks like.
var classes = map[terminal.Style]string{terminal.Red: "bad", terminal.Yellow: "warn"}

// HTML writes the table as a page that looks as bench's reports do.
func (o *Outcome) HTML(w io.Writer) error {
	env := result.ReadEnvironment()
	data := struct {
		Headline, Started, Elapsed, Machine string
		Reads, Writes                       float64
		Style                               template.CSS
		Columns                             []htmlColumn
		Rows                                []htmlRow
	}{
		Headline: o.Headline(), Started: o.Started.UTC().Format("2 January 2006, 15:04 UTC"), Elapsed: o.Elapsed.Round(time.Second).String(),
		Machine: fmt.Sprintf("%s, %s", env.CPU, terminal.Count(env.Cores, "core")),
		Reads:   o.Rate, Writes: o.Rate * writesShare, Style: report.Style(),
	}
	for _, c := range columns {
		data.Columns = append(data.Columns, htmlColumn{c.head, c.help, c.left})
	}
	for i := range o.Rows {
		r := &o.Rows[i]
		row := htmlRow{Why: strings.Join(r.why(), "; ")}
		_, style := r.verdict()
		for j, c := range columns {
			cell := htmlCell{Text: terminal.Nothing}
			if r.Skipped == "" || j == 0 {
				cell.Text = cmp.Or(c.cell(r), terminal.Nothing)
			}
			if j == len(columns)-1 && r.Skipped == "" {
				cell.Class = classes[style]
			}
			if c.left {
				cell.Class += " left"
			}
			row.Cells = append(row.Cells, cell)
		}
		if r.Skipped != "" {
			row.Why = "left out: " + r.Skipped
		}
		data.Rows = append(data.Rows, row)
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	return nil
}
