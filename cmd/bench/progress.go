package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"nanofront/bench/load"
	"nanofront/internal/terminal"
)

// plainInterval is how often there is a line where the output is no terminal.
const plainInterval = 5

// progress shows how a run is doing: one line that changes on a terminal, else
// a line every few seconds.
type progress struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	width int // of the line on the terminal
	// Since the last line, where the output is no terminal.
	seconds  int
	sent, ok uint64
	failed   uint64
	worst    load.Second
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: terminal.Is(out)}
}

// show is load.Run's progress.
func (p *progress) show(s load.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		line := progressLine(&s, s.Second.Sent, s.Second.OK, s.Second.Errors.Total(), 1, s.Second.P50, s.Second.P99)
		pad := max(0, p.width-len(line))
		_, _ = fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", pad)) // nowhere to report a failure
		p.width = len(line)
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
		_, _ = fmt.Fprintln(p.out, progressLine(&s, p.sent, p.ok, p.failed, p.seconds, p.worst.P50, p.worst.P99)) // as above
		p.seconds, p.sent, p.ok, p.failed, p.worst = 0, 0, 0, 0, load.Second{}
	}
}

// end takes the line off the terminal.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.width > 0 {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width)) // as above
	}
}

func progressLine(s *load.Snapshot, sent, ok, failed uint64, seconds int, p50, p99 int64) string {
	where := fmt.Sprintf("%v of %v", s.Elapsed.Round(time.Second), s.Total.Round(time.Second))
	if s.Warmup {
		where = fmt.Sprintf("warm-up, %v left", -s.Elapsed.Round(time.Second))
	}
	n := uint64(seconds)
	line := fmt.Sprintf("%-18s sent %9s/s  ok %9s/s  p50 %9s  p99 %9s", where, terminal.Grouped(sent/n), terminal.Grouped(ok/n), micros(p50), micros(p99))
	if failed > 0 {
		line += "  failed " + terminal.Grouped(failed)
	}
	if s.Second.Backlog > 0 {
		line += "  waiting " + terminal.Grouped(s.Second.Backlog)
	}
	return line
}
