package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/internal/terminal"
)

func printOn(s terminal.Screen, from place, terminators []terminatorStatus, instances []instanceStatus) {
	s.Line("%v", from)
	s.Line("%s", s.Faint("rates and times: of the last 10 s"))
	s.Line("")
	var dropped []string
	dropped = append(dropped, printTerminators(s, terminators)...)
	s.Line("")
	dropped = append(dropped, printInstances(s, instances)...)
	if len(dropped) > 0 {
		s.Explain("left out", strings.Join(dropped, ", ")+", for the width")
	}
}

func printTerminators(s terminal.Screen, terminators []terminatorStatus) (dropped []string) {
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "terminator"},
		{Head: "state"},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "5xx/s", Right: true},
		{Head: "shed/s", Right: true, Drop: 1},
		{Head: "in flight", Right: true, Drop: 2},
		{Head: "limit", Right: true, Drop: 3},
		{Head: "conns", Right: true},
		{Head: "uptime", Right: true, Drop: 4},
	}}
	for _, ts := range terminators {
		state, style := ts.state()
		row := []terminal.Cell{{Text: ts.name()}, {Text: state, Style: style}}
		if ts.Error != "" {
			for range len(t.Columns) - len(row) {
				row = append(row, terminal.Cell{Text: terminal.Nothing})
			}
			t.AddCells(row...)
			continue
		}
		failed := terminal.Cell{Text: terminal.Grouped(ts.Failed)}
		if ts.Failed > 0 {
			failed.Style = terminal.Red
		}
		for _, text := range []string{terminal.Grouped(ts.Rate), millis(ts.P50), millis(ts.P99)} {
			row = append(row, terminal.Cell{Text: text})
		}
		row = append(row, failed)
		for _, text := range []string{terminal.Grouped(ts.Shed), terminal.Grouped(ts.InFlight), terminal.Grouped(ts.Limit), terminal.Grouped(ts.Conns), uptime(ts.Uptime)} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.Width, s.Colours)
	for _, ts := range terminators {
		for _, line := range ts.remarks() {
			s.Line("  %s: %s", ts.name(), line)
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

func printInstances(s terminal.Screen, instances []instanceStatus) (dropped []string) {
	if len(instances) == 0 {
		s.Line("no instance is registered: bin/handler echo starts one, nanofront up a whole system")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "service"},
		{Head: "instance"},
		{Head: "state"},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "err/s", Right: true, Drop: 4},
		{Head: "in flight", Right: true, Drop: 1},
		{Head: "weight", Right: true, Drop: 4},
		{Head: "window", Right: true, Drop: 5},
		{Head: "uptime", Right: true, Drop: 2},
		{Head: "version", Drop: 3},
		{Head: "address", Drop: 6},
	}}
	marked := false
	for _, in := range instances {
		mark := func(text string) string { // of the callers' figures
			if in.Callers {
				marked = true
				return text + "*"
			}
			return text
		}
		row := []terminal.Cell{{Text: in.Service}, {Text: in.ID}, {Text: string(in.State), Style: in.State.style()}}
		for _, text := range []string{
			mark(orNothing(in.Rate, terminal.Grouped)), orNothing(in.P50, millis), orNothing(in.P99, millis), orNothing(in.Failed, terminal.Grouped[float64]), orNothing(in.InFlight, terminal.Grouped[float64]),
			in.Weight.String(), terminal.Grouped(in.Window), uptime(in.Uptime), in.Version, in.Address,
		} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.Width, s.Colours)
	s.Line("")
	for _, st := range states {
		if slices.ContainsFunc(instances, func(in instanceStatus) bool { return in.State == st.state }) {
			s.Explain(string(st.state), st.means)
		}
	}
	if marked {
		s.Explain("*", "measured by its callers, including the way there and back: it has no admin port that answers")
	}
	return dropped
}

func orNothing(v *float64, format func(float64) string) string {
	if v == nil {
		return terminal.Nothing
	}
	return format(*v)
}

// millis is a time in ms; nothing where none was measured.
func millis(ms float64) string {
	if ms == 0 {
		return terminal.Nothing
	}
	return terminal.Duration(time.Duration(ms * float64(time.Millisecond)))
}

func uptime(s float64) string {
	d := time.Duration(s) * time.Second
	switch {
	case s < 0:
		return terminal.Nothing
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	default:
		return d.String()
	}
}
