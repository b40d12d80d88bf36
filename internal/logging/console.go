package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"nanofront/internal/terminal"
)

// AccessMessage is the message of the access log's lines.
const AccessMessage = "access"

// minConsole is the least width that lines are cut to.
const minConsole = 40

// Console makes lines for people of log lines in JSON:
//
//	10:16:21 WRN can't reach the server addr=127.0.0.1:8125
//	10:16:33 GET    /profile/42                      200    870 B  0.37 ms  web-2
type Console struct {
	// Colours marks levels, mistakes and fields.
	Colours bool
	// Width is how wide lines may be at present; nil for any width.
	Width func() int
	// Hide are fields that are left out.
	Hide []string
	// Sparse shows one line a second of an access log that is sampled, as under load: ten would
	// push all else out of a terminal within seconds.
	Sparse bool

	mu      sync.Mutex
	second  string // of the last line that stood for several requests
	skipped int64  // requests that those left out since then stood for
}

// field is one field of a log line, its value as text.
type field struct{ key, value string }

// Lines is what is shown of a line: mostly one, several if it is too wide, and none if it
// is left out. indent is what stands before each. A line that is not JSON stays as it is.
func (c *Console) Lines(line []byte, indent int) []string {
	fields, ok := parseLine(line)
	if !ok {
		return []string{strings.TrimRight(string(line), "\r\n")}
	}
	width := 0
	if c.Width != nil {
		width = max(c.Width()-indent, minConsole)
	}
	get := func(key string) string {
		for _, f := range fields {
			if f.key == key {
				return f.value
			}
		}
		return ""
	}
	if get(zerolog.MessageFieldName) == AccessMessage {
		return c.access(get, width)
	}
	level, style := levelOf(get(zerolog.LevelFieldName))
	words := []word{{shown: c.clock(get), text: "15:04:05"}}
	if level != "" {
		words = append(words, word{shown: c.paint(style, level), text: level})
	}
	message := terminal.Printable(get(zerolog.MessageFieldName))
	words = append(words, word{shown: c.paint(style, message), text: message})
	shown := func(f field) bool {
		return f.value != "" && f.key != zerolog.MessageFieldName && f.key != zerolog.LevelFieldName && f.key != zerolog.TimestampFieldName && !slices.Contains(c.Hide, f.key)
	}
	for _, f := range fields {
		if shown(f) {
			value := quoted(f.value)
			key := terminal.Faint
			if f.key == zerolog.ErrorFieldName {
				key = terminal.Red
			}
			words = append(words, word{shown: c.paint(key, f.key+"=") + value, text: f.key + "=" + value})
		}
	}
	return wrap(words, width)
}

// levelOf is what is shown of a level; nothing of info, which is the usual one.
func levelOf(level string) (string, terminal.Style) {
	switch level {
	case "", zerolog.LevelInfoValue:
		return "", terminal.Plain
	case zerolog.LevelWarnValue:
		return "WRN", terminal.Yellow
	case zerolog.LevelErrorValue, zerolog.LevelFatalValue, zerolog.LevelPanicValue:
		return strings.ToUpper(level)[:3], terminal.Red
	}
	return strings.ToUpper(level)[:min(3, len(level))], terminal.Plain
}

// word is what isn't parted at a line's end: as it is shown, and without colours.
type word struct{ shown, text string }

// wrap puts words into lines; those after the first are indented below the message. A
// message or field that is too long for a line is parted at its spaces.
func wrap(words []word, width int) []string {
	const indent = "         " // that of the time
	var lines []string
	line, used := words[0].shown, utf8.RuneCountInString(words[0].text)
	for _, w := range words[1:] {
		n := utf8.RuneCountInString(w.text)
		if width == 0 || used+1+n <= width {
			line, used = line+" "+w.shown, used+1+n
			continue
		}
		if len(indent)+n <= width && used > len(indent)+1 {
			lines = append(lines, line)
			line, used = indent+w.shown, len(indent)+n
			continue
		}
		if used > len(indent) {
			lines = append(lines, line)
			line, used = strings.TrimSuffix(indent, " "), len(indent)-1
		}
		for part := range strings.FieldsSeq(w.text) {
			n := utf8.RuneCountInString(part)
			if used+1+n > width && used > len(indent) {
				lines = append(lines, line)
				line, used = strings.TrimSuffix(indent, " "), len(indent)-1
			}
			line, used = line+" "+part, used+1+n
		}
	}
	return append(lines, line)
}

// The columns of the access log, but for the path, which gets the rest.
const (
	methodWidth   = 6
	sizeWidth     = 9
	tookWidth     = 9
	upstreamWidth = 14
	reasonWidth   = 24
	minPath       = 8
	maxPath       = 60
)

// access is a line of the access log.
func (c *Console) access(get func(string) string, width int) []string {
	count, _ := strconv.ParseInt(get(AccessStands), 10, 64)
	if c.Sparse {
		if count = c.sparse(get(zerolog.TimestampFieldName), max(count, 1)); count == 0 {
			return nil
		}
	}
	who := terminal.Clip(terminal.Printable(get(AccessInstance)), upstreamWidth)
	if who == "" { // refused by the front itself
		who = terminal.Clip(terminal.Printable(get(AccessError)), reasonWidth)
	}
	tail := []word{{shown: who, text: who}}
	if end := terminal.Printable(get(AccessEnd)); end != "" && end != "ok" && end != "complete" {
		tail = append(tail, word{shown: c.paint(terminal.Yellow, end), text: end})
	}
	if count > 1 {
		more := "+" + terminal.Grouped(count-1)
		tail = append(tail, word{shown: c.paint(terminal.Faint, more), text: more})
	}
	method, target := terminal.Clip(terminal.Printable(get(AccessMethod)), 2*methodWidth), terminal.Printable(get(AccessPath))
	if method == "" && target == "" { // what came was no request
		method, target = "–", "–"
	}
	shown, used := "", 0
	for _, w := range tail {
		shown += "  " + w.shown
		used += len("  ") + utf8.RuneCountInString(w.text)
	}
	path := maxPath
	if width > 0 {
		fixed := len("15:04:05 ") + methodWidth + len(" ") + len(" 200") + sizeWidth + tookWidth + max(used, len("  ")+upstreamWidth)
		fixed += max(utf8.RuneCountInString(method)-methodWidth, 0)
		path = min(max(width-fixed, minPath), maxPath)
	}
	status := terminal.Printable(get(AccessStatus))
	line := fmt.Sprintf("%s %s %s %s%*s%*s%s", c.clock(get), terminal.Pad(method, methodWidth),
		terminal.Pad(terminal.Clip(target, path), path), c.paint(statusStyle(status), status),
		sizeWidth, byteSize(get(AccessSize)), tookWidth, took(get(AccessTotal)), shown)
	return []string{strings.TrimRight(line, " ")}
}

// sparse returns for how many requests a line stands with those that were left out before
// it, 0 if it is left out too: in a second in which a line stood for several, it is the only one.
func (c *Console) sparse(at string, count int64) int64 {
	second := at[:min(len(at), len("2006-01-02T15:04:05"))]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skipped += count
	if c.second == second {
		return 0
	}
	if count > 1 {
		c.second = second
	}
	count, c.skipped = c.skipped, 0
	return count
}

func (c *Console) paint(s terminal.Style, text string) string {
	text = terminal.Printable(text)
	if !c.Colours {
		return text
	}
	return s.Paint(text)
}

// clock is the time of a line, to the second.
func (c *Console) clock(get func(string) string) string {
	t, err := time.Parse(zerolog.TimeFieldFormat, get(zerolog.TimestampFieldName))
	if err != nil {
		return time.Now().Format(time.TimeOnly)
	}
	return c.paint(terminal.Faint, t.Local().Format(time.TimeOnly))
}

func statusStyle(status string) terminal.Style {
	switch {
	case strings.HasPrefix(status, "5"):
		return terminal.Red
	case strings.HasPrefix(status, "4"):
		return terminal.Yellow
	}
	return terminal.Plain
}

// parseLine reads the fields in their order.
func parseLine(line []byte) (fields []field, ok bool) {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] != '{' {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		name, isText := key.(string)
		if err != nil || !isText {
			return nil, false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return nil, false
		}
		value := string(raw)
		var list []string
		switch {
		case raw[0] == '"' && json.Unmarshal(raw, &value) != nil:
			return nil, false
		case raw[0] == '[' && json.Unmarshal(raw, &list) == nil:
			value = strings.Join(list, ",")
		}
		fields = append(fields, field{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	return fields, len(fields) > 0
}

// quoted is a field's value, in quotes where it would be mistaken for more.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '"' || r == '=' }) {
		return strconv.Quote(s)
	}
	return s
}

// byteSize is a size with three figures that matter.
func byteSize(text string) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		return "–"
	}
	if n < 1000 {
		return fmt.Sprintf("%.0f B", n)
	}
	unit := ""
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if n < 999.5 {
			break
		}
		n, unit = n/1000, u
	}
	return figures(n) + " " + unit
}

// took is a time in ms with three figures that matter.
func took(text string) string {
	ms, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return "–"
	case ms < 1000:
		return figures(ms) + " ms"
	case ms < 100_000:
		return figures(ms/1000) + " s"
	}
	return (time.Duration(ms/1000) * time.Second).String()
}

func figures(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// consoleWriter writes log lines as Console makes them, one Write for each.
type consoleWriter struct {
	out     io.Writer
	console *Console
}

func (w consoleWriter) Write(p []byte) (int, error) {
	lines := w.console.Lines(p, 0)
	if len(lines) == 0 {
		return len(p), nil
	}
	if _, err := io.WriteString(w.out, strings.Join(lines, "\n")+"\n"); err != nil {
		return 0, err
	}
	return len(p), nil
}
