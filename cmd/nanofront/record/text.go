package record

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/internal/recording"
	"nanofront/internal/terminal"
)

// bytesOf is a number of bytes in the unit that makes it short.
func bytesOf(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "B" || v >= 100 {
		return fmt.Sprintf("%s %s", terminal.Grouped(v), unit)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// lostLine says what a recording lacks.
func lostLine(l *recording.Lost) string {
	var parts []string
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{l.Tap, "copies dropped by the instances"},
		{l.Here, "copies dropped by the recorder"},
		{l.Unanswered, "without an answer"},
		{l.Unasked, "answers without their request"},
		{l.Cut, "with a body that was copied in part"},
		{l.Refused, "that couldn't be read"},
	} {
		if c.n > 0 {
			parts = append(parts, terminal.Grouped(c.n)+" "+c.what)
		}
	}
	if len(parts) == 0 {
		return "nothing was lost"
	}
	line := "lost or lacking: " + strings.Join(parts, ", ")
	if l.Tap+l.Here > 0 {
		line += "; record fewer services at once to lose less"
	}
	return line
}

// progress is a line that says how a recording is doing: it changes on a terminal; elsewhere there
// is a new one now and then. Whatever else is to be said goes through it.
type progress struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	drawn *terminal.Line
	shown time.Duration
}

const (
	plainTime = 10 * time.Second // between lines where the output is no terminal
	drawTime  = 500 * time.Millisecond
)

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: terminal.Is(out), drawn: terminal.NewLine(out)}
}

func (p *progress) show(elapsed time.Duration, r *recorder, lost listening.Losses) {
	interval := plainTime
	if p.terminal {
		interval = drawTime
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if elapsed-p.shown < interval {
		return
	}
	p.shown = elapsed
	line := fmt.Sprintf("%v  %s written, %s waiting  %s", elapsed.Round(time.Second), terminal.Count(r.file.Records(), "record"),
		terminal.Grouped(len(r.turn)+len(r.late)), bytesOf(r.file.Size()))
	if n := lost.There + lost.Here; n > 0 {
		line += fmt.Sprintf("  %s lost", terminal.Count(n, "frame"))
	}
	if !p.terminal {
		_, _ = fmt.Fprintln(p.out, line) // nowhere to report a failure
		return
	}
	p.drawn.Draw(line)
}

// Write puts a line above the one that changes.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn.Clear()
	return p.out.Write(b)
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn.Clear()
}
