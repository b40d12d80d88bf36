package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
	"nanofront/internal/terminal"
)

// printSummary prints a result for people.
func printSummary(w io.Writer, r *load.Result, lateAfter time.Duration) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // as all output of a command
	loop := r.Mode + " loop"
	if r.Interrupted {
		loop += ", interrupted"
	}
	say("%s  %s, %v counted, %d connections, %d threads\n\n", r.URL, loop, r.Duration.Round(time.Millisecond), r.Connections, r.Workers)
	line := func(name string, rate float64, text string) {
		say("  %-9s %12s/s   %s\n", name, terminal.Grouped(uint64(max(0, rate)+0.5)), text)
	}
	if r.Mode == "open" {
		planned := 0.0
		if r.Duration > 0 {
			planned = float64(r.Planned) / r.Duration.Seconds()
		}
		line("planned", planned, terminal.Grouped(r.Planned)+" requests")
		text := terminal.Grouped(r.Sent) + ", " + terminal.Grouped(r.Late) + " of them more than " + lateAfter.String() + " late"
		if r.Unsent > 0 {
			text += "; " + terminal.Grouped(r.Unsent) + " not sent within the time: all connections were busy"
		}
		line("sent", r.SentRate(), text)
	} else {
		line("sent", r.SentRate(), terminal.Grouped(r.Sent)+" requests")
	}
	line("ok", r.Throughput(), terminal.Grouped(r.OK)+" answered as expected")
	if n := r.Errors.Total(); n > 0 {
		say("  %-9s %12s     %s\n", "failed", terminal.Grouped(n), errorText(&r.Errors))
		for _, c := range slices.Sorted(maps.Keys(r.Examples)) {
			say("  %24s   %s, first: %s\n", "", c, r.Examples[c])
		}
	}
	say("\n")
	printLatencies(w, r)
	if len(r.Steps) > 1 {
		printSteps(w, r)
	}
	if len(r.Entries) > 1 {
		printEntries(w, r)
	}
	say("\n  cost: %v of CPU for a request here; %s/s in, %s/s out; %s connections opened\n", r.CPUPerRequest().Round(10*time.Nanosecond),
		size(r.BytesIn, r.Duration), size(r.BytesOut, r.Duration), terminal.Grouped(r.Opened))
	if r.Stray > 0 {
		say("  the server sent what nobody had asked for %s times\n", terminal.Grouped(r.Stray))
	}
	if r.Clipped > 0 {
		say("  %s times were over %d s, and count as that\n", terminal.Grouped(r.Clipped), load.HistogramHighest/1_000_000)
	}
	if r.Mode == "closed" {
		say("  a closed loop waits for answers before it sends: it shows what the server can do, not what users would see\n")
	}
}

// quantiles are the columns of the table of latencies.
var quantiles = []float64{50, 90, 99, 99.9, 99.99}

func printLatencies(w io.Writer, r *load.Result) {
	rows := [][]string{{"", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", ""}}
	row := func(name string, h *hdrhistogram.Histogram, note string) {
		if h.TotalCount() == 0 {
			return
		}
		cells := []string{name, micros(int64(h.Mean() + 0.5))}
		for _, q := range quantiles {
			cells = append(cells, micros(h.ValueAtQuantile(q)))
		}
		rows = append(rows, append(cells, micros(h.Max()), note))
	}
	if r.Mode == "open" {
		row("latency", r.Latency, "from the planned time")
		row("service", r.Service, "from when it was sent")
		row("delay", r.Delay, "from plan to sending")
	} else {
		row("latency", r.Latency, "from when it was sent")
	}
	row("failed", r.Failed, "until the failure")
	printTable(w, rows)
}

func printSteps(w io.Writer, r *load.Result) {
	rows := [][]string{{"", "planned/s", "ok/s", "late", "unsent", "failed", "p50", "p99", "p99.9", "max", ""}}
	for i := range r.Steps {
		s := &r.Steps[i]
		rows = append(rows, []string{
			s.Name(), terminal.Grouped(uint64(s.Offered() + 0.5)), terminal.Grouped(uint64(s.Throughput() + 0.5)), terminal.Grouped(s.Late), terminal.Grouped(s.Unsent), terminal.Grouped(s.Errors.Total()),
			micros(s.Latency.ValueAtQuantile(50)), micros(s.Latency.ValueAtQuantile(99)), micros(s.Latency.ValueAtQuantile(99.9)), micros(s.Latency.Max()), errorText(&s.Errors),
		})
	}
	_, _ = fmt.Fprintln(w) // as all output of a command
	printTable(w, rows)
}

func printEntries(w io.Writer, r *load.Result) {
	rows := [][]string{{"", "sent", "ok", "failed", "p50", "p99", "max", ""}}
	for i := range r.Entries {
		e := &r.Entries[i]
		rows = append(rows, []string{
			e.Name, terminal.Grouped(e.Sent), terminal.Grouped(e.OK), terminal.Grouped(e.Errors.Total()),
			micros(e.Latency.ValueAtQuantile(50)), micros(e.Latency.ValueAtQuantile(99)), micros(e.Latency.Max()), errorText(&e.Errors),
		})
	}
	_, _ = fmt.Fprintln(w) // as all output of a command
	printTable(w, rows)
}

// printTable prints rows with the first and the last column to the left, the others to the right.
func printTable(w io.Writer, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
			if i == 0 || i == len(row)-1 {
				b.WriteString("  " + cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(b.String(), " ")) // as all output of a command
	}
}

// errorText is counts by cause, the largest first.
func errorText(e *load.Errors) string {
	m := e.Map()
	names := slices.Collect(maps.Keys(m))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = n + " " + terminal.Grouped(m[n])
	}
	return strings.Join(parts, ", ")
}

// micros is a time in µs with three digits that count, and its unit.
func micros(us int64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	case us < 1_000_000:
		return digits(float64(us)/1e3) + " ms"
	}
	return digits(float64(us)/1e6) + " s"
}

func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// size is bytes per second.
func size(n uint64, d time.Duration) string {
	if d <= 0 {
		return "0 B"
	}
	v := float64(n) / d.Seconds()
	for _, unit := range []string{"B", "kB", "MB"} {
		if v < 1000 {
			return digits(v) + " " + unit
		}
		v /= 1000
	}
	return digits(v) + " GB"
}
