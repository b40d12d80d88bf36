package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/cmd/nanofront/overview"
	"nanofront/internal/terminal"
)

func printOn(s terminal.Screen, v *overview.View) {
	s.Line("%v", v.From)
	s.Line("%s", s.Faint(v.At.Format(time.TimeOnly)+" UTC; rates and times: of the last 10 s"))
	printProblems(s, v.Problems)
	var dropped []string
	add := func(more []string) {
		for _, d := range more {
			if !slices.Contains(dropped, d) {
				dropped = append(dropped, d)
			}
		}
	}
	s.Line("")
	add(printTerminators(s, v.Terminators))
	if len(v.Services) > 0 {
		s.Line("")
		add(printServices(s, v.Services))
	}
	if len(v.Routes) > 0 {
		s.Line("")
		add(printRoutes(s, v.Routes))
	}
	s.Line("")
	add(printInstances(s, v.Instances))
	if len(dropped) > 0 {
		s.Explain("left out", strings.Join(dropped, ", ")+", for the width")
	}
}

// printProblems says first what is wrong, in words.
func printProblems(s terminal.Screen, problems []overview.Problem) {
	for i := range problems {
		lines := []string{problems[i].String()}
		if s.Width > 0 {
			lines = terminal.Wrap(lines[0], s.Width-2)
		}
		for n, l := range lines {
			mark := "  "
			if n == 0 {
				mark = "! "
			}
			s.Line("%s", terminal.Palette(s.Colours).Paint(terminal.Red, mark+l))
		}
	}
}

// maxRoutes is how many routes are shown; all are in --json.
const maxRoutes = 30

func printServices(s terminal.Screen, services []overview.Service) (dropped []string) {
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "service"},
		{Head: "serving", Right: true},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "5xx/s", Right: true},
		{Head: "shed/s", Right: true, Drop: 1},
		{Head: "in flight", Right: true, Drop: 2},
		{Head: "limit", Right: true, Drop: 3},
	}}
	for i := range services {
		sv := &services[i]
		serving := terminal.Cell{Text: fmt.Sprintf("%d of %d", sv.Serving, sv.Instances)}
		if sv.Degraded != "" {
			serving.Style = terminal.Red
		}
		limit := terminal.Grouped(sv.Limit)
		if !sv.Routed {
			limit = ""
		}
		t.AddCells(terminal.Cell{Text: sv.Name}, serving, terminal.Cell{Text: terminal.Grouped(sv.Rate)}, terminal.Cell{Text: overview.Millis(sv.P50)}, terminal.Cell{Text: overview.Millis(sv.P99)},
			overview.Failures(sv.Failed), terminal.Cell{Text: terminal.Grouped(sv.Shed)}, terminal.Cell{Text: terminal.Grouped(sv.InFlight)}, terminal.Cell{Text: limit})
	}
	return t.Print(s, s.Width, s.Colours)
}

// printRoutes shows the routes in the order in which they are looked at; of many, those with the
// most requests.
func printRoutes(s terminal.Screen, routes []overview.Route) (dropped []string) {
	shown := routes
	if len(routes) > maxRoutes {
		busiest := slices.Clone(routes)
		slices.SortStableFunc(busiest, func(a, b overview.Route) int { return cmp.Compare(b.Rate, a.Rate) })
		shown = busiest[:maxRoutes]
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "route", Least: 12}, {Head: "match", Drop: 1}, {Head: "service"}, {Head: "req/s", Right: true}, {Head: "p50", Right: true}, {Head: "p99", Right: true}, {Head: "5xx/s", Right: true},
	}}
	for i := range shown {
		r := &shown[i]
		match := r.Match
		if match == r.Name {
			match = ""
		}
		t.AddCells(terminal.Cell{Text: r.Name}, terminal.Cell{Text: match}, terminal.Cell{Text: r.Service}, terminal.Cell{Text: terminal.Grouped(r.Rate)},
			terminal.Cell{Text: overview.Millis(r.P50)}, terminal.Cell{Text: overview.Millis(r.P99)}, overview.Failures(r.Failed))
	}
	dropped = t.Print(s, s.Width, s.Colours)
	if n := len(routes) - len(shown); n > 0 {
		s.Line("  %s", s.Faint(fmt.Sprintf("and %s with fewer requests: --json has all", terminal.Count(n, "route"))))
	}
	return dropped
}

func printTerminators(s terminal.Screen, terminators []overview.Terminator) (dropped []string) {
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
	for i := range terminators {
		ts := &terminators[i]
		state, style := ts.State()
		row := []terminal.Cell{{Text: ts.Name()}, {Text: state, Style: style}}
		if ts.Error != "" {
			for range len(t.Columns) - len(row) {
				row = append(row, terminal.Cell{Text: terminal.Nothing})
			}
			t.AddCells(row...)
			continue
		}
		for _, text := range []string{terminal.Grouped(ts.Rate), overview.Millis(ts.P50), overview.Millis(ts.P99)} {
			row = append(row, terminal.Cell{Text: text})
		}
		row = append(row, overview.Failures(ts.Failed))
		for _, text := range []string{terminal.Grouped(ts.Shed), terminal.Grouped(ts.InFlight), terminal.Grouped(ts.Limit), terminal.Grouped(ts.Conns), overview.Uptime(ts.Uptime)} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.Width, s.Colours)
	for i := range terminators {
		if ts := &terminators[i]; ts.Drained() {
			s.Line("  %s", terminal.Palette(s.Colours).Paint(terminal.Blue, fmt.Sprintf("%s: %s; back with nanofront undrain %s", ts.Name(), strings.Join(ts.Reasons, ", "), ts.Name())))
		}
	}
	return dropped
}

func printInstances(s terminal.Screen, instances []overview.Instance) (dropped []string) {
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
		row := []terminal.Cell{{Text: in.Service}, {Text: in.ID}, {Text: string(in.State), Style: in.State.Style()}}
		for _, text := range []string{
			mark(orNothing(in.Rate, terminal.Grouped[float64])), orNothing(in.P50, overview.Millis), orNothing(in.P99, overview.Millis), orNothing(in.Failed, terminal.Grouped[float64]), orNothing(in.InFlight, terminal.Grouped[float64]),
			in.Weight.String(), terminal.Grouped(in.Window), overview.Uptime(in.Uptime), in.Version, in.Address,
		} {
			row = append(row, terminal.Cell{Text: text})
		}
		t.AddCells(row...)
	}
	dropped = t.Print(s, s.Width, s.Colours)
	for i := range instances {
		if in := &instances[i]; in.WeightBy != "" {
			s.Line("  %s", terminal.Palette(s.Colours).Paint(terminal.Blue, fmt.Sprintf("%s: weight %v by %s; its own with nanofront undrain %s", in.Name(), in.Weight, in.WeightBy, in.Name())))
		}
	}
	s.Line("")
	for _, st := range overview.States {
		if slices.ContainsFunc(instances, func(in overview.Instance) bool { return in.State == st.State }) {
			s.Explain(string(st.State), st.Means)
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
