package supervisor

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"nanofront/internal/terminal"
)

// maxLine is how much of a line without an end is held back.
const maxLine = 64 << 10

// colors tell children apart on a terminal.
var colors = []terminal.Style{36, 32, 35, 33, 34, 96, 92, 95, 93, 94}

// own is the colour of the supervisor's own lines.
const own = -1

// prefixWriter writes whole lines, prefixed with the name of their program, each with one Write of
// out, which takes calls of several goroutines.
type prefixWriter struct {
	mu     sync.Mutex
	out    io.Writer
	color  bool
	width  int
	render Render
}

// Render makes what is shown of a line that a child has said: some lines or none. indent is how
// many columns stand before each. Several goroutines call it.
type Render func(line []byte, indent int) []string

func (p *prefixWriter) widen(name string) {
	p.mu.Lock()
	p.width = max(p.width, len(name), len("nanofront"))
	p.mu.Unlock()
}

// indent is how many columns stand before what is said.
func (p *prefixWriter) indent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.width + len(" | ")
}

func (p *prefixWriter) line(name string, color int, text string) {
	_, _ = p.out.Write(p.format(name, color, text)) // nowhere left to complain to
}

func (p *prefixWriter) format(name string, color int, text string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	name += strings.Repeat(" ", max(p.width-len(name), 0))
	if p.color {
		style := terminal.Bold
		if color >= 0 {
			style = colors[color%len(colors)]
		}
		name = style.Paint(name)
	}
	return fmt.Appendf(nil, "%s │ %s\n", name, text)
}

// lineWriter cuts a child's output into lines.
type lineWriter struct {
	out   *prefixWriter
	name  string
	color int
	part  []byte
}

// Write implements io.Writer. os/exec calls it from one goroutine.
func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			w.part = append(w.part, b...)
			if len(w.part) >= maxLine {
				w.flush()
			}
			break
		}
		w.part = append(w.part, b[:i]...)
		w.flush()
		b = b[i+1:]
	}
	return n, nil
}

// end writes what the child said last if it didn't end the line, as a program
// that dies in the middle of one. Only after os/exec is done with it.
func (w *lineWriter) end() {
	if len(w.part) > 0 {
		w.flush()
	}
}

func (w *lineWriter) flush() {
	if w.out.render == nil {
		w.out.line(w.name, w.color, strings.TrimRight(string(w.part), "\r"))
	} else {
		for _, l := range w.out.render(w.part, w.out.indent()) {
			w.out.line(w.name, w.color, l)
		}
	}
	w.part = w.part[:0]
}
