package bus

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nanofront/httpmsg"
	"nanofront/internal/terminal"
)

// palette colours text, or doesn't.
type palette bool

func (p palette) paint(style terminal.Style, text string) string {
	if !p {
		return text
	}
	return style.Paint(text)
}

// status is the colour of an HTTP status.
func (p palette) status(status int, text string) string {
	switch {
	case status >= 500:
		return p.paint(terminal.Red, text)
	case status >= 400:
		return p.paint(terminal.Yellow, text)
	case status >= 300:
		return p.paint(terminal.Cyan, text)
	default:
		return p.paint(terminal.Green, text)
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

// plural is "1 frame", "2 frames".
func plural[T int | uint64](n T, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return terminal.Grouped(n) + " " + noun
}
