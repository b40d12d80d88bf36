package bustool

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"nanofront/httpmsg"
)

// Colours reports whether what is written to w may be coloured: it is a
// terminal, and NO_COLOR is not set.
func Colours(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""
}

// The colours, as a terminal takes them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	faint  = "2"
)

// palette colours text, or doesn't.
type palette bool

func (p palette) paint(colour, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// status is the colour of an HTTP status.
func (p palette) status(status int, text string) string {
	switch {
	case status >= 500:
		return p.paint(red, text)
	case status >= 400:
		return p.paint(yellow, text)
	case status >= 300:
		return p.paint(cyan, text)
	default:
		return p.paint(green, text)
	}
}

// printable is text that can be shown on a terminal: one line, without control
// characters or what turns the direction of writing; these are shown as Go
// writes them in a string.
func printable(text string) string {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if odd(r) {
			quoted := strconv.Quote(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// isText reports whether a body can be shown as text.
func isText(body []byte) bool {
	return utf8.Valid(body) && strings.IndexFunc(string(body), func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r'
	}) < 0
}

// encodeBody is a body for JSON: as text, or as base64 if it isn't UTF-8.
func encodeBody(body []byte) (text, base64text string) {
	if utf8.Valid(body) {
		return string(body), ""
	}
	return "", base64.StdEncoding.EncodeToString(body)
}

// headerMap is a header for JSON.
func headerMap(fields httpmsg.Fields) map[string][]string {
	if len(fields) == 0 {
		return nil
	}
	m := make(map[string][]string, len(fields))
	for _, f := range fields {
		m[string(f.Name)] = append(m[string(f.Name)], string(f.Value))
	}
	return m
}

// duration is a time with three figures that matter.
func duration(d time.Duration) string {
	us := float64(d) / 1e3
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.2f ms", us/1e3)
	case us < 1_000_000:
		return fmt.Sprintf("%.1f ms", us/1e3)
	default:
		return fmt.Sprintf("%.2f s", us/1e6)
	}
}

// grouped is a number with commas: 51,234.
func grouped[T int | uint64](n T) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 frame", "2 frames".
func plural[T int | uint64](n T, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

// pad fills text with spaces up to a width in characters, on the right, or on
// the left if width is negative.
func pad(text string, width int) string {
	left := width < 0
	if left {
		width = -width
	}
	fill := strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
	if left {
		return fill + text
	}
	return text + fill
}
