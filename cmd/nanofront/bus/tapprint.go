package bus

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"nanofront/internal/terminal"
)

// maxHexDump is how much of a body that is no text is shown.
const maxHexDump = 256

// printer writes records: a line each, and with it header and body where they
// were copied.
type printer struct {
	w     *bufio.Writer
	json  *json.Encoder // nil: for people
	color terminal.Palette

	// Columns grow with what they have to hold, so that lines stay aligned.
	instance, peer, kind int
}

func newPrinter(w io.Writer, asJSON, color bool) *printer {
	p := &printer{w: bufio.NewWriter(w), color: terminal.Palette(color), kind: len("response")}
	if asJSON {
		p.json = json.NewEncoder(p.w)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// flush writes what was printed. Its error says that nobody reads any more.
func (p *printer) flush() error { return p.w.Flush() }

func (p *printer) print(r *record) {
	if p.json != nil {
		_ = p.json.Encode(r) // flush says it
		return
	}
	instance, peer := terminal.Printable(r.Instance), terminal.Printable(r.Peer)
	p.instance = max(p.instance, utf8.RuneCountInString(instance))
	p.peer = max(p.peer, utf8.RuneCountInString(peer))
	p.kind = max(p.kind, len(r.Kind))
	arrow := "←"
	if r.Direction == "out" {
		arrow = "→"
	}
	var line strings.Builder
	line.WriteString(p.color.Paint(terminal.Faint, r.Time.Local().Format("15:04:05.000000")))
	line.WriteString("  " + terminal.Pad(instance, p.instance) + " " + arrow + " " + terminal.Pad(peer, p.peer))
	line.WriteString("  " + terminal.Pad(r.Kind, p.kind) + "  " + p.color.Paint(terminal.Faint, terminal.Pad(r.ID, 16)))
	line.WriteString("  " + terminal.Pad(terminal.Grouped(r.Length)+" B", -11))
	if detail := p.detail(r); detail != "" {
		line.WriteString("  " + detail)
	}
	_, _ = p.w.WriteString(strings.TrimRight(line.String(), " ") + "\n") // flush says it
	p.payload(r)
}

// detail is what a line says about its kind of frame.
func (p *printer) detail(r *record) string {
	var parts []string
	if r.Status != 0 {
		parts = append(parts, p.color.Paint(statusStyle(r.Status), strconv.Itoa(r.Status)))
	}
	if r.Code != "" {
		parts = append(parts, p.color.Paint(terminal.Red, "error "+r.Code))
		if r.Text != "" {
			parts = append(parts, terminal.Printable(r.Text))
		}
	}
	if r.Method != "" || r.Path != "" {
		target := r.Path
		if r.Query != "" {
			target += "?" + r.Query
		}
		if target == "" && r.Kind == "request" {
			target = "…" // longer than what was copied
		}
		parts = append(parts, terminal.Printable(r.Method)+" "+terminal.Printable(target))
	}
	if r.NotHTTP {
		parts = append(parts, "payload is not HTTP")
	}
	if r.Topic != "" {
		parts = append(parts, terminal.Printable(r.Topic))
	}
	for _, t := range []struct {
		name string
		us   *int64
	}{{"budget", r.Budget}, {"queue", r.Queue}, {"work", r.Work}, {"latency", r.Latency}} {
		if t.us != nil {
			parts = append(parts, p.color.Paint(terminal.Faint, t.name)+" "+terminal.Duration(time.Duration(*t.us)*time.Microsecond))
		}
	}
	if r.RequestID != "" {
		parts = append(parts, p.color.Paint(terminal.Faint, "request")+" "+terminal.Printable(r.RequestID))
	}
	if r.Parent != "" {
		parts = append(parts, p.color.Paint(terminal.Faint, "for")+" "+r.Parent)
	}
	return strings.Join(parts, "  ")
}

// payload prints header and body, if they were asked for.
func (p *printer) payload(r *record) {
	for _, f := range r.fields {
		p.indented(terminal.Printable(string(f.Name)) + ": " + terminal.Printable(string(f.Value)))
	}
	switch {
	case len(r.body) == 0:
	case isText(r.body):
		for line := range strings.Lines(string(r.body)) {
			p.indented(terminal.Printable(strings.TrimRight(line, "\r\n")))
		}
	default:
		shown := r.body[:min(len(r.body), maxHexDump)]
		for line := range strings.Lines(hex.Dump(shown)) {
			p.indented(strings.TrimRight(line, "\n"))
		}
		if n := len(r.body) - len(shown); n > 0 {
			p.indented("and " + terminal.Count(n, "byte") + " more")
		}
	}
	if r.Cut && r.fields != nil {
		p.indented("(cut: a frame of " + terminal.Count(r.Length, "byte") + " was not copied whole)")
	}
}

func (p *printer) indented(line string) {
	_, _ = fmt.Fprintf(p.w, "    %s\n", line) // flush says it
}
