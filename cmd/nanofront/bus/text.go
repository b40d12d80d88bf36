package bus

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"nanofront/httpmsg"
	"nanofront/internal/terminal"
)

// statusStyle is the colour of an HTTP status.
func statusStyle(status int) terminal.Style {
	switch {
	case status >= 500:
		return terminal.Red
	case status >= 400:
		return terminal.Yellow
	case status >= 300:
		return terminal.Cyan
	default:
		return terminal.Green
	}
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
