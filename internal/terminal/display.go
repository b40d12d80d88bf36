package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// What a Display tells the terminal (ECMA-48; xterm's control sequences for the alternate screen).
const (
	alternate  = "\x1b[?1049h\x1b[?25l\x1b[?7l" // and no cursor, and long lines are cut
	original   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home       = "\x1b[H"
	restOfLine = "\x1b[K"
	restOfPage = "\x1b[J"
)

// Display shows one thing after the other: on a terminal each in the place of the one before, which
// is cut to what fits; elsewhere one below the other.
type Display struct {
	to    io.Writer
	live  bool // a terminal
	open  bool
	shown bool
	last  []byte
}

// NewDisplay makes a Display on w.
func NewDisplay(w io.Writer) *Display {
	return &Display{to: w, live: Is(w) && os.Getenv("TERM") != "dumb"}
}

// Open takes the terminal: what stands on it comes back with Close.
func (d *Display) Open() {
	if d.live {
		d.open = true
		_, _ = io.WriteString(d.to, alternate) // the next Show tells that it fails
	}
}

// Close gives the terminal back, with what was shown last.
func (d *Display) Close() {
	if d.open {
		d.open = false
		_, _ = io.WriteString(d.to, original)
		_, _ = d.to.Write(d.last)
	}
}

// Show shows what draw draws.
func (d *Display) Show(draw func(s Screen)) error {
	s := ScreenOf(d.to)
	var b bytes.Buffer
	s.Writer = &b
	draw(s)
	defer func() { d.shown = true }()
	if !d.live {
		if d.shown {
			if _, err := io.WriteString(d.to, "\n"); err != nil {
				return err
			}
		}
		_, err := d.to.Write(b.Bytes())
		return err
	}
	d.last = bytes.Clone(b.Bytes())
	_, err := io.WriteString(d.to, frame(b.String(), Height(d.to)))
	return err
}

// frame is text as it replaces what is on a terminal of so many lines.
func frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		more := len(lines) - (height - 2)
		lines = append(lines[:height-2:height-2], fmt.Sprintf("… %d more lines: the window is too low", more))
	}
	return home + strings.Join(lines, restOfLine+"\n") + restOfLine + "\n" + restOfPage
}

// Height is how many lines w has at present; 0 if it isn't known, as of anything but a terminal.
func Height(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			return int(size.Row)
		}
	}
	return 0
}
