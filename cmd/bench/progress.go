package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"nanofront/bench/load"
	"nanofront/internal/terminal"
)

// plainInterval is how often there is a line where the output is no terminal.
const plainInterval = 5

// drawnSeconds is how many seconds are drawn on a terminal.
const drawnSeconds = 20

// progress shows how a run is doing: one line that changes on a terminal, else
// a line every few seconds.
type progress struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	line *terminal.Line
	// rates and p99s of the last seconds, drawn on the terminal.
	rates, p99s []float64
	// Since the last line, where the output is no terminal.
	seconds  int
	sent, ok uint64
	failed   uint64
	worst    load.Second
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: terminal.Is(out), line: terminal.NewLine(out)}
}

// show is load.Run's progress.
func (p *progress) show(s load.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Elapsed > s.Total { // the answers to what was sent last
		return
	}
	if p.terminal {
		p.rates, p.p99s = latest(p.rates, float64(s.Second.OK)), latest(p.p99s, milliseconds(s.Second.P99))
		p.line.Draw(liveLine(&s, p.rates, p.p99s, terminal.Width(p.out)))
		return
	}
	if s.Warmup {
		return
	}
	p.seconds++
	p.sent += s.Second.Sent
	p.ok += s.Second.OK
	p.failed += s.Second.Errors.Total()
	if s.Second.P99 >= p.worst.P99 {
		p.worst = s.Second
	}
	if p.seconds == plainInterval {
		_, _ = fmt.Fprintln(p.out, progressLine(&s, p.sent, p.ok, p.failed, p.seconds, p.worst.P50, p.worst.P99)) // nowhere to report a failure
		p.seconds, p.sent, p.ok, p.failed, p.worst = 0, 0, 0, 0, load.Second{}
	}
}

// latest adds a second to the last ones.
func latest(seconds []float64, v float64) []float64 {
	return append(seconds[max(0, len(seconds)-drawnSeconds+1):], v)
}

// end takes the line off the terminal.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates, p.p99s = nil, nil
	p.line.Clear()
}

// liveLine is what changes on a terminal: the last second, and rate and p99 of those before.
func liveLine(s *load.Snapshot, rates, p99s []float64, width int) string {
	const words = 60 // beside what is drawn
	drawn := min(max(5, (width-words)/2), drawnSeconds)
	last := func(seconds []float64) string {
		return terminal.Sparkline(seconds[max(0, len(seconds)-drawn):], drawn)
	}
	return fmt.Sprintf("%s  ok %9s/s %s  p99 %9s %s%s", where(s), terminal.Grouped(s.Second.OK), last(rates), micros(s.Second.P99), last(p99s), trouble(s, s.Second.Errors.Total()))
}

func progressLine(s *load.Snapshot, sent, ok, failed uint64, seconds int, p50, p99 int64) string {
	n := uint64(seconds)
	return fmt.Sprintf("%-18s sent %9s/s  ok %9s/s  p50 %9s  p99 %9s%s", where(s), terminal.Grouped(sent/n), terminal.Grouped(ok/n), micros(p50), micros(p99), trouble(s, failed))
}

func where(s *load.Snapshot) string {
	if s.Warmup {
		return fmt.Sprintf("warm-up, %v left", -s.Elapsed.Round(time.Second))
	}
	return fmt.Sprintf("%v of %v", s.Elapsed.Round(time.Second), s.Total.Round(time.Second))
}

// trouble is what there should be none of.
func trouble(s *load.Snapshot, failed uint64) string {
	text := ""
	if failed > 0 {
		text = "  failed " + terminal.Grouped(failed)
	}
	if s.Second.Backlog > 0 {
		text += "  waiting " + terminal.Grouped(s.Second.Backlog)
	}
	return text
}
