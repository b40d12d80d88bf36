package terminal

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Grouped is a number with commas, rounded to a whole one: 51,234.
func Grouped[T int | int64 | uint64 | float64](n T) string {
	if f, ok := any(n).(float64); ok {
		return Grouped(int64(math.Round(f)))
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count is how many there are of something, in the plural if that isn't one: "1 route", "2 routes".
func Count[T int | uint64](n T, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Grouped(n) + " " + noun
}

// Size is a number of bytes; KiB and up where nothing is lost by it.
func Size(n int) string {
	unit := ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n < 1024 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	if unit == "" {
		unit = "B"
	}
	return Grouped(n) + " " + unit
}

// Duration is a time with three significant figures.
func Duration(d time.Duration) string {
	switch d = d.Round(time.Microsecond); {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 999_500*time.Microsecond:
		return figures(float64(d)/float64(time.Millisecond)) + " ms"
	default:
		return figures(d.Seconds()) + " s"
	}
}

// figures writes v, 1 or more, with three figures.
func figures(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return Grouped(int64(v + 0.5))
}

// Printable is text that can be shown on a terminal: one line, without control characters or what
// turns the direction of writing; these are shown as Go writes them in a string.
func Printable(text string) string {
	odd := func(r rune) bool { return r == utf8.RuneError || r != NoBreak && !unicode.IsPrint(r) }
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

// Pad fills text with spaces up to a width in characters: on the right, or on the left if
// width is negative.
func Pad(text string, width int) string {
	fill := strings.Repeat(" ", max(max(width, -width)-utf8.RuneCountInString(text), 0))
	if width < 0 {
		return fill + text
	}
	return text + fill
}

// Clip cuts text to n characters, at least 1.
func Clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n, 1)-1]) + "…"
}

// NoBreak is a space at which [Wrap] breaks no line, as between a number and its unit.
const NoBreak = '\u00a0'

// Wrap cuts text into lines of at most width columns, at spaces; a word that is
// longer has a line of its own.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r != NoBreak && unicode.IsSpace(r) }) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
