package overview

import (
	"fmt"
	"time"

	"nanofront/internal/terminal"
)

// Millis is a time in ms; nothing where none was measured.
func Millis(ms float64) string {
	if ms == 0 {
		return terminal.Nothing
	}
	return terminal.Duration(time.Duration(ms * float64(time.Millisecond)))
}

// Uptime is a time in seconds since a start; nothing where it isn't known.
func Uptime(s float64) string {
	d := time.Duration(s) * time.Second
	switch {
	case s < 0:
		return terminal.Nothing
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	default:
		return d.String()
	}
}

// Failures is a rate of failed requests: red if there are any.
func Failures(rate float64) terminal.Cell {
	c := terminal.Cell{Text: terminal.Grouped(rate)}
	if rate > 0 {
		c.Style = terminal.Red
		if c.Text == "0" {
			c.Text = "<1"
		}
	}
	return c
}
