package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/internal/wholefile"
)

// The files of a report.
const (
	fileJSON = "report.json"
	fileHTML = "report.html"
	dirPlots = "plots"
	dirHGRM  = "hgrm"
)

// plainWidth is that of a table that no terminal bounds.
const plainWidth = 120

type reportCommand struct {
	Files []string `arg:"" name:"file" help:"Saved results (report.json), or folders with one."`
	Out   string   `type:"path" placeholder:"DIR" help:"Folder that the HTML file, the plots, and the latencies as .hgrm are written to anew. Default: nothing is written."`
}

// Examples implements cli.Exampler.
func (*reportCommand) Examples() [][2]string {
	return [][2]string{
		{"bench report bench-results/2026-11-20-201000", "Its tables, once more."},
		{"bench report report.json --out again", "Draws it anew: again/report.html, again/plots, again/hgrm."},
	}
}

// Run implements command.
func (c *reportCommand) Run(_ context.Context, std cli.IO) error {
	reps, err := readReports(c.Files)
	if err != nil {
		return err
	}
	if c.Out != "" && len(reps) > 1 {
		return cli.Usagef("--out: there are %d results: give one", len(reps))
	}
	for i, rep := range reps {
		if len(reps) > 1 {
			_, _ = fmt.Fprintf(std.Out, "%s\n\n", c.Files[i]) // as all output of a command
		}
		if err := show(std, rep); err != nil {
			return err
		}
	}
	if c.Out == "" {
		return nil
	}
	return writeAll(std.Out, c.Out, reps[0])
}

// show prints a report as a table.
func show(std cli.IO, rep *result.Report) error {
	width, colour := look(std.Out)
	return report.Terminal(std.Out, rep, width, colour)
}

// look is how wide output may be, and whether it may have colours.
func look(out io.Writer) (width int, colour bool) {
	if !terminal.Is(out) {
		return plainWidth, false
	}
	return terminal.Width(out), terminal.Colours(out)
}

// writeAll writes a report's files to a folder.
func writeAll(out io.Writer, dir string, rep *result.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if err := result.WriteFile(filepath.Join(dir, fileJSON), rep); err != nil {
		return err
	}
	if err := writeHTML(filepath.Join(dir, fileHTML), rep); err != nil {
		return err
	}
	plots, err := report.Plots(filepath.Join(dir, dirPlots), rep)
	if err != nil {
		return err
	}
	hgrm, err := report.Percentiles(filepath.Join(dir, dirHGRM), rep)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\nwritten to %s: %s, %s, %s in %s", dir, fileJSON, fileHTML, terminal.Count(len(plots), "plot"), dirPlots) // as all output
	if len(hgrm) > 0 {
		_, _ = fmt.Fprintf(out, ", %s in %s (.hgrm, for plotters of HdrHistogram)", terminal.Count(len(hgrm), "distribution"), dirHGRM) // as above
	}
	_, _ = fmt.Fprintln(out) // as above
	return nil
}

func writeHTML(name string, rep *result.Report) error {
	return wholefile.Write(name, func(w io.Writer) error { return report.HTML(w, rep) })
}

// readReports reads results; a folder stands for the file in it.
func readReports(names []string) ([]*result.Report, error) {
	reps := make([]*result.Report, 0, len(names))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, fileJSON)
		}
		rep, err := result.ReadFile(name)
		if err != nil {
			return nil, err
		}
		reps = append(reps, rep)
	}
	return reps, nil
}
