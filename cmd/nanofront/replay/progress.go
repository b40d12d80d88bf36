package replay

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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
	width int // of the line on the terminal
	calls int
	last  engine.Progress
}

func newProgress(out io.Writer, total time.Duration) *progress {
	return &progress{out: out, terminal: terminal.Is(out), total: total}
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
	line = terminal.Clip(line, terminal.Width(p.out)-1)
	_, _ = fmt.Fprintf(p.out, "\r%s", terminal.Pad(line, p.width)) // as above
	p.width = utf8.RuneCountInString(line)
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
	if p.terminal && p.width > 0 {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width)) // as above
	}
}
