package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"nanofront/cmd/nanofront/overview"
	"nanofront/internal/terminal"
)

// kind is which table is shown.
type kind int

const (
	processes kind = iota
	services
	routes
	kinds
)

// String is the table's name.
func (k kind) String() string { return [...]string{"processes", "services", "routes"}[k] }

// columns are those of each table.
var columns = [kinds][]terminal.Column{
	processes: {
		{Head: "process", Least: 16},
		{Head: "state"},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "err/s", Right: true},
		{Head: "in flight", Right: true, Drop: 1},
		{Head: "weight", Right: true, Drop: 3},
		{Head: "uptime", Right: true, Drop: 2},
		{Head: "version", Drop: 4},
	},
	services: {
		{Head: "service", Least: 16},
		{Head: "serving", Right: true},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "err/s", Right: true},
		{Head: "shed/s", Right: true, Drop: 1},
		{Head: "in flight", Right: true, Drop: 2},
		{Head: "limit", Right: true, Drop: 3},
	},
	routes: {
		{Head: "route", Least: 16},
		{Head: "service", Least: 8},
		{Head: "req/s", Right: true},
		{Head: "p50", Right: true},
		{Head: "p99", Right: true},
		{Head: "err/s", Right: true},
		{Head: "match", Drop: 1},
	},
}

// row is a line of a table: what it shows, and by what it is sorted, column by column.
type row struct {
	cells []terminal.Cell
	keys  []float64 // NaN: by the text
	wrong bool
}

func (r *row) text(text string, style terminal.Style) {
	r.cells, r.keys = append(r.cells, terminal.Cell{Text: text, Style: style}), append(r.keys, math.NaN())
}

func (r *row) number(v float64, c terminal.Cell) {
	r.cells, r.keys = append(r.cells, c), append(r.keys, v)
}

// count and millis add a figure; nil is one that nobody knows.
func (r *row) count(v *float64) { r.figure(v, terminal.Grouped[float64]) }

func (r *row) millis(v *float64) { r.figure(v, overview.Millis) }

func (r *row) figure(v *float64, format func(float64) string) {
	if v == nil {
		r.number(-1, terminal.Cell{Text: terminal.Nothing})
		return
	}
	r.number(*v, terminal.Cell{Text: format(*v)})
}

func (r *row) failures(v *float64) {
	if v == nil {
		r.count(nil)
		return
	}
	r.wrong = r.wrong || *v > 0
	r.number(*v, overview.Failures(*v))
}

func rowsOf(v *overview.View, k kind) []row {
	switch k {
	case services:
		return serviceRows(v)
	case routes:
		return routeRows(v)
	default:
		return processRows(v)
	}
}

func processRows(v *overview.View) []row {
	rows := make([]row, 0, len(v.Terminators)+len(v.Instances))
	for i := range v.Terminators {
		t := &v.Terminators[i]
		state, style := t.State()
		r := row{wrong: state != "ready"}
		r.text(t.Name(), terminal.Plain)
		r.text(state, style)
		figures := []*float64{&t.Rate, &t.P50, &t.P99, &t.Failed, &t.InFlight}
		if t.Error != "" {
			figures = make([]*float64, len(figures))
		}
		r.count(figures[0])
		r.millis(figures[1])
		r.millis(figures[2])
		r.failures(figures[3])
		r.count(figures[4])
		r.number(-1, terminal.Cell{})
		r.number(t.Uptime, terminal.Cell{Text: overview.Uptime(t.Uptime)})
		r.text(t.Version, terminal.Plain)
		rows = append(rows, r)
	}
	for i := range v.Instances {
		in := &v.Instances[i]
		r := row{wrong: in.State == overview.Gone || in.State == overview.Silent || in.State == overview.Registered}
		r.text(in.Name(), terminal.Plain)
		r.text(string(in.State), in.State.Style())
		r.count(in.Rate)
		r.millis(in.P50)
		r.millis(in.P99)
		r.failures(in.Failed)
		r.count(in.InFlight)
		r.number(float64(in.Weight.Share()), terminal.Cell{Text: in.Weight.String()})
		r.number(in.Uptime, terminal.Cell{Text: overview.Uptime(in.Uptime)})
		r.text(in.Version, terminal.Plain)
		rows = append(rows, r)
	}
	return rows
}

func serviceRows(v *overview.View) []row {
	rows := make([]row, 0, len(v.Services))
	for i := range v.Services {
		s := &v.Services[i]
		r := row{wrong: s.Degraded != "" || s.Shed > 0}
		r.text(s.Name, terminal.Plain)
		serving := terminal.Cell{Text: fmt.Sprintf("%d of %d", s.Serving, s.Instances)}
		if s.Degraded != "" {
			serving.Style = terminal.Red
		}
		r.number(float64(s.Serving), serving)
		r.count(&s.Rate)
		r.millis(&s.P50)
		r.millis(&s.P99)
		r.failures(&s.Failed)
		r.count(&s.Shed)
		r.count(&s.InFlight)
		r.count(&s.Limit)
		rows = append(rows, r)
	}
	return rows
}

func routeRows(v *overview.View) []row {
	rows := make([]row, 0, len(v.Routes))
	for i := range v.Routes {
		t := &v.Routes[i]
		var r row
		r.text(t.Name, terminal.Plain)
		r.text(t.Service, terminal.Plain)
		r.count(&t.Rate)
		r.millis(&t.P50)
		r.millis(&t.P99)
		r.failures(&t.Failed)
		match := t.Match
		if match == t.Name {
			match = ""
		}
		r.text(match, terminal.Plain)
		rows = append(rows, r)
	}
	return rows
}

// filtered are the rows in which some cell has the text, whatever its case.
func filtered(rows []row, text string, wrongOnly bool) []row {
	text = strings.ToLower(text)
	return slices.DeleteFunc(rows, func(r row) bool {
		if wrongOnly && !r.wrong {
			return true
		}
		return text != "" && !slices.ContainsFunc(r.cells, func(c terminal.Cell) bool { return strings.Contains(strings.ToLower(c.Text), text) })
	})
}

// sorted sorts: numbers from the largest, texts from a to z; reversed the other way.
func sorted(rows []row, o order) []row {
	slices.SortStableFunc(rows, func(a, b row) int {
		c := cmp.Compare(b.keys[o.column], a.keys[o.column])
		if math.IsNaN(a.keys[o.column]) {
			c = cmp.Compare(a.cells[o.column].Text, b.cells[o.column].Text)
		}
		if o.reverse {
			c = -c
		}
		return c
	})
	return rows
}
