package replay

import (
	"fmt"
	"io"
	"sync"
	"time"

	engine "nanofront/internal/replay"
	"nanofront/internal/terminal"
)

// plainInterval is how often there is a line where the output is no terminal, in seconds.
const plainInterval = 10

// progress shows how a replay is doing: one line that changes on a terminal, else a line now and
// then.
type progress struct {
	out      io.Writer
	terminal bool
	total    time.Duration // 0: not known

	mu    sync.Mutex
	drawn *terminal.Line
	calls int
	last  engine.Progress
}

func newProgress(out io.Writer, total time.Duration) *progress {
	return &progress{out: out, terminal: terminal.Is(out), total: total, drawn: terminal.NewLine(out)}
}

// show is the engine's progress.
func (p *progress) show(s engine.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if !p.terminal && p.calls%plainInterval != 0 {
		return
	}
	line := p.line(s)
	p.last = s
	if !p.terminal {
		_, _ = fmt.Fprintln(p.out, line) // nowhere to report a failure
		return
	}
	p.drawn.Draw(line)
}

func (p *progress) line(s engine.Progress) string {
	of := ""
	if p.total > 0 {
		of = " of " + terminal.Duration(p.total)
	}
	rate := float64(s.Sent-p.last.Sent) / max(s.Elapsed-p.last.Elapsed, time.Millisecond).Seconds()
	trouble := ""
	if s.Differ > 0 {
		trouble += "  " + terminal.Grouped(s.Differ) + " differ"
	}
	if s.Failed > 0 {
		trouble += "  " + terminal.Grouped(s.Failed) + " failed"
	}
	return fmt.Sprintf("%s%s  %s sent, %s/s  %s answered%s", terminal.Duration(s.Elapsed.Round(time.Second)), of,
		terminal.Grouped(s.Sent), terminal.Grouped(rate), terminal.Grouped(s.Ended-s.Failed), trouble)
}

// end takes the line off the terminal.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn.Clear()
}
