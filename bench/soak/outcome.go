package soak

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/system"
	"nanofront/internal/terminal"
)

// Outcome is what a soak has found.
type Outcome struct {
	Started  time.Time
	Rate     float64
	Duration time.Duration
	// Load is what the clients have seen; nil if it didn't come to that.
	Load *load.Result

	processes []process
}

// process is what was seen of one, at the end of each tenth.
type process struct {
	name       string
	memory     [tenths]float64 // the most of the tenth, in bytes
	heap       [tenths]float64
	goroutines [tenths]float64
}

// look notes what the processes are like at the end of a tenth.
func (o *Outcome) look(ctx context.Context, s *system.Nanofront, tenth int) error {
	for _, p := range s.Processes() {
		i := slices.IndexFunc(o.processes, func(q process) bool { return q.name == p.Name })
		if i < 0 {
			i = len(o.processes)
			o.processes = append(o.processes, process{name: p.Name})
		}
		q := &o.processes[i]
		q.memory[tenth] = float64(p.Usage().PeakRSS)
		gauges, err := system.Gauges(ctx, s.Admins[p.Name].Addr)
		if err != nil {
			return fmt.Errorf("soak: the figures of %s: %w", p.Name, err)
		}
		q.heap[tenth], q.goroutines[tenth] = gauges["process.heap_bytes"], gauges["process.goroutines"]
	}
	return nil
}

// What may have grown, from the first tenth to the last.
const (
	mostMemory     = 1.05
	mostGoroutines = 1.05
	mostLatency    = 1.1
)

// line is one thing that was watched.
type line struct {
	name, what  string
	first, last float64
	most        float64 // last / first; 0: not judged
	show        func(float64) string
}

func (l *line) bad() bool { return l.most > 0 && l.last > l.first*l.most }

func (o *Outcome) lines() (all []line) {
	megabytes := func(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }
	for i := range o.processes {
		p := &o.processes[i]
		all = append(all,
			line{p.name, "memory", p.memory[0], p.memory[tenths-1], mostMemory, megabytes},
			line{p.name, "heap", p.heap[0], p.heap[tenths-1], 0, megabytes},
			line{p.name, "goroutines", p.goroutines[0], p.goroutines[tenths-1], mostGoroutines, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
		)
	}
	if o.Load == nil || len(o.Load.Steps) < tenths {
		return all
	}
	first, last := o.Load.Steps[0].Latency, o.Load.Steps[tenths-1].Latency
	for _, q := range []struct {
		name string
		at   float64
		most float64
	}{{"p50", 50, 0}, {"p99", 99, mostLatency}, {"p99.9", 99.9, 0}} {
		all = append(all, line{"clients", q.name, float64(first.ValueAtQuantile(q.at)), float64(last.ValueAtQuantile(q.at)), q.most, func(us float64) string {
			return terminal.Duration(time.Duration(us) * time.Microsecond)
		}})
	}
	return all
}

// Bad is how many things have grown more than they may, or requests failed.
func (o *Outcome) Bad() (n int) {
	lines := o.lines()
	for i := range lines {
		if lines[i].bad() {
			n++
		}
	}
	if o.Load != nil && o.Load.Errors.Total() > 0 {
		n++
	}
	return n
}

// Headline says how it went in a line.
func (o *Outcome) Headline() string {
	if o.Load == nil {
		return "The load didn't come to its end"
	}
	return fmt.Sprintf("%s requests in %v, %s failed; the last tenth of the time beside the first",
		terminal.Grouped(o.Load.Sent), o.Duration, terminal.Grouped(o.Load.Errors.Total()))
}

// Print writes the table for a terminal of that many columns.
func (o *Outcome) Print(w io.Writer, width int, colours bool) {
	t := &terminal.Table{Columns: []terminal.Column{
		{Head: "process"}, {Head: "of it"}, {Head: "first", Right: true}, {Head: "last", Right: true}, {Head: "ratio", Right: true}, {Head: "may be", Right: true}, {Head: "verdict"},
	}}
	lines := o.lines()
	for i := range lines {
		l := &lines[i]
		cells := []terminal.Cell{{Text: l.name}, {Text: l.what}, {Text: l.show(l.first)}, {Text: l.show(l.last)}, {}, {}, {}}
		if l.first > 0 {
			cells[4].Text = fmt.Sprintf("%.2f", l.last/l.first)
		}
		if l.most > 0 {
			cells[5].Text = fmt.Sprintf("%.2f", l.most)
			cells[6] = terminal.Cell{Text: "ok", Style: terminal.Green}
		}
		if l.bad() {
			cells[6] = terminal.Cell{Text: "GROWN", Style: terminal.Red}
		}
		t.AddCells(cells...)
	}
	_, _ = fmt.Fprintf(w, "%s\n\n", terminal.Palette(colours).Paint(terminal.Bold, o.Headline())) // as all output of a command
	t.Print(w, width, colours)
}
