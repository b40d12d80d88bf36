package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"nanofront/internal/terminal"
)

// screen is where a command prints.
type screen struct {
	io.Writer
	width   int // 0: any
	colours bool
}

func screenOf(w io.Writer) screen {
	s := screen{Writer: w, colours: terminal.Colours(w)}
	if terminal.Is(w) {
		s.width = terminal.Width(w)
	}
	return s
}

func (s screen) line(format string, args ...any) {
	_, _ = fmt.Fprintf(s, format+"\n", args...) // as all output of a command
}

// faint is text that explains.
func (s screen) faint(text string) string {
	if s.colours {
		return terminal.Faint.Paint(text)
	}
	return text
}

// explain says what a word means.
func (s screen) explain(word, means string) {
	const column = 12
	lines := []string{means}
	if s.width > 0 {
		lines = terminal.Wrap(means, max(s.width-column, column))
	}
	for _, l := range lines {
		s.line("%s", s.faint(fmt.Sprintf("%-*s%s", column, word, l)))
		word = ""
	}
}

func printOn(s screen, from place, terminators []terminatorStatus, instances []instanceStatus) {
	s.line("%v", from)
	s.line("%s", s.faint("rates and times: of the last 10 s"))
	s.line("")
	var dropped []string
	dropped = append(dropped, printTerminators(s, terminators)...)
	s.line("")
	dropped = append(dropped, printInstances(s, instances)...)
	if len(dropped) > 0 {
		s.explain("left out", strings.Join(dropped, ", ")+", for the width")
	}
}

func printTerminators(s screen, terminators []terminatorStatus) (dropped []string) {
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "TERMINATOR"},
		{Head: "STATE"},
		{Head: "REQ/S", Right: true},
		{Head: "P50", Right: true},
		{Head: "P99", Right: true},
		{Head: "5XX/S", Right: true},
		{Head: "SHED/S", Right: true, Drop: 1},
		{Head: "IN FLIGHT", Right: true, Drop: 2},
		{Head: "LIMIT", Right: true, Drop: 3},
		{Head: "CONNS", Right: true},
		{Head: "UPTIME", Right: true, Drop: 4},
	}}
	for _, ts := range terminators {
		state, style := ts.state()
		row := []terminal.Cell{{Text: ts.name()}, {Text: state, Style: style}}
		if ts.Error != "" {
			for range len(t.Columns) - len(row) {
				row = append(row, terminal.Cell{Text: "–"})
			}
			t.AddCells(row...)
			continue
		}
		failed := terminal.Cell{Text: count(ts.Failed)}
		if ts.Failed > 0 {
			failed.Style = terminal.Red
		}
		for _, text := range []string{count(ts.Rate), millis(ts.P50), millis(ts.P99)} {
			row = append(row, terminal.Cell{Text: text})
		}
		row = append(row, failed)
		for _, text := range []string{count(ts.Shed), count(ts.InFlight), count(ts.Limit), count(ts.Conns), uptime(ts.Uptime)} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.width, s.colours)
	for _, ts := range terminators {
		for _, line := range ts.remarks() {
			s.line("  %s: %s", ts.name(), line)
		}
	}
	return dropped
}

// state is a terminator's, in a word.
func (s *terminatorStatus) state() (string, terminal.Style) {
	switch {
	case s.Error != "":
		return "no answer", terminal.Red
	case !s.Ready:
		return "not ready", terminal.Yellow
	case len(s.Degraded) > 0:
		return "degraded", terminal.Yellow
	}
	return "ready", terminal.Green
}

func printInstances(s screen, instances []instanceStatus) (dropped []string) {
	if len(instances) == 0 {
		s.line("no instance is registered: bin/handler echo starts one, nanofront up a whole system")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "SERVICE"},
		{Head: "INSTANCE"},
		{Head: "STATE"},
		{Head: "REQ/S", Right: true},
		{Head: "P50", Right: true},
		{Head: "P99", Right: true},
		{Head: "IN FLIGHT", Right: true, Drop: 1},
		{Head: "WEIGHT", Right: true, Drop: 4},
		{Head: "WINDOW", Right: true, Drop: 5},
		{Head: "UPTIME", Right: true, Drop: 2},
		{Head: "VERSION", Drop: 3},
		{Head: "ADDRESS", Drop: 6},
	}}
	for _, in := range instances {
		version := in.Version
		if version == "" {
			version = "–"
		}
		row := []terminal.Cell{{Text: in.Service}, {Text: in.ID}, {Text: string(in.State), Style: in.State.style()}}
		for _, text := range []string{
			orDash(in.Rate, count), orDash(in.P50, millis), orDash(in.P99, millis), orDash(in.InFlight, count),
			in.Weight.String(), fmt.Sprint(in.Window), uptime(in.Uptime), version, in.Address,
		} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.width, s.colours)
	s.line("")
	for _, st := range states {
		if slices.ContainsFunc(instances, func(in instanceStatus) bool { return in.State == st.state }) {
			s.explain(string(st.state), st.means)
		}
	}
	return dropped
}

func orDash(v *float64, format func(float64) string) string {
	if v == nil {
		return "–"
	}
	return format(*v)
}

// count is a whole number.
func count(v float64) string { return terminal.Grouped(int64(math.RoundToEven(v))) }

// size is a number of bytes; KiB and up where nothing is lost by it.
func size(n int) string {
	unit := ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n < 1024 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	if unit == "" {
		unit = "B"
	}
	return terminal.Grouped(n) + " " + unit
}

// millis is a time in ms; a dash where none was measured.
func millis(ms float64) string {
	if ms == 0 {
		return "–"
	}
	return terminal.Duration(time.Duration(ms * float64(time.Millisecond)))
}

func uptime(s float64) string {
	d := time.Duration(s) * time.Second
	switch {
	case s < 0:
		return "–"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	default:
		return d.String()
	}
}
