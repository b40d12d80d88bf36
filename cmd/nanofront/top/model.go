package top

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"nanofront/cmd/nanofront/overview"
	"nanofront/internal/terminal"
)

// model is the state of the screen.
type model struct {
	look     func() (*overview.View, error) // one call at a time
	interval time.Duration
	colours  terminal.Palette

	view *overview.View // what is shown
	next *overview.View // what was seen while paused
	err  error          // of the last look

	kind          kind
	sorts         [kinds]order
	filter        string
	typing        bool // the filter
	paused, wrong bool
	scroll        int
	width, height int
}

// order is by which column a table is sorted.
type order struct {
	column  int
	reverse bool
}

// seen is what a look has brought; due says that it is time for the next.
type (
	seen struct {
		view *overview.View
		err  error
	}
	due struct{}
)

func newModel(first *overview.View, look func() (*overview.View, error), interval time.Duration, colours bool) *model {
	return &model{look: look, interval: interval, colours: terminal.Palette(colours), view: first, width: terminal.DefaultWidth, height: 24}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.wait() }

func (m *model) wait() tea.Cmd {
	return tea.Tick(m.interval, func(time.Time) tea.Msg { return due{} })
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case due:
		return m, func() tea.Msg { v, err := m.look(); return seen{v, err} }
	case seen:
		if m.err = msg.err; msg.err == nil {
			m.next = msg.view
			if !m.paused {
				m.view = m.next
			}
		}
		return m, m.wait()
	case tea.KeyPressMsg:
		return m, m.key(msg.String(), msg.Text)
	}
	return m, nil
}

// key does what a key stands for; text is what it types.
func (m *model) key(name, text string) tea.Cmd {
	if name == "ctrl+c" {
		return tea.Quit
	}
	if m.typing {
		m.edit(name, text)
		return nil
	}
	s := &m.sorts[m.kind]
	switch name {
	case "q":
		return tea.Quit
	case "1", "2", "3":
		m.kind, m.scroll = kind(name[0]-'1'), 0
	case "tab", "right":
		m.kind, m.scroll = (m.kind+1)%kinds, 0
	case "shift+tab", "left":
		m.kind, m.scroll = (m.kind+kinds-1)%kinds, 0
	case "s":
		s.column, s.reverse = (s.column+1)%len(columns[m.kind]), false
	case "S":
		s.column, s.reverse = (s.column+len(columns[m.kind])-1)%len(columns[m.kind]), false
	case "r":
		s.reverse = !s.reverse
	case "/":
		m.typing = true
	case "esc":
		m.filter = ""
	case "w":
		m.wrong, m.scroll = !m.wrong, 0
	case "p", "space":
		m.paused = !m.paused
		if !m.paused && m.next != nil {
			m.view = m.next
		}
	case "down", "j":
		m.scroll++
	case "up", "k":
		m.scroll--
	case "pgdown":
		m.scroll += m.height / 2
	case "pgup":
		m.scroll -= m.height / 2
	case "home", "g":
		m.scroll = 0
	}
	m.scroll = max(m.scroll, 0)
	return nil
}

// edit changes the filter.
func (m *model) edit(name, text string) {
	m.scroll = 0
	switch name {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += text
	}
}

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

// maxProblems is how many problems are shown in words.
const maxProblems = 3

const keys = "1 2 3 tables  s sort  r reverse  / filter  w wrong  p pause  q quit"

// screen is what stands on the terminal: height lines at most.
func (m *model) screen() string {
	top := []string{m.heading(), ""}
	for i := range m.view.Problems {
		if i == maxProblems {
			top = append(top, m.colours.Paint(terminal.Red, fmt.Sprintf("! and %s", terminal.Count(len(m.view.Problems)-i, "more problem"))))
			break
		}
		top = append(top, m.colours.Paint(terminal.Red, terminal.Clip(terminal.Printable("! "+m.view.Problems[i].String()), m.width)))
	}
	top = append(top, "")
	body := m.table()
	room := max(m.height-len(top)-2, 1) // the keys, and the table's head
	rows := body[1:]
	m.scroll = min(m.scroll, max(len(rows)-room, 0))
	shown := rows[m.scroll:min(m.scroll+room, len(rows))]
	top[1] = m.tabs()
	if len(shown) < len(rows) {
		top[1] += m.colours.Paint(terminal.Faint, fmt.Sprintf("  %d to %d of %d", m.scroll+1, m.scroll+len(shown), len(rows)))
	}
	lines := append(append(top, body[0]), shown...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	foot := keys
	if m.typing {
		foot = "filter: " + m.filter + "_  (enter keeps it, esc ends it)"
	}
	lines = append(lines[:max(m.height-1, 1)], m.colours.Paint(terminal.Faint, terminal.Clip(foot, m.width)))
	return strings.Join(lines, "\n")
}

// heading is the first line: which system, and from when what is shown is.
func (m *model) heading() string {
	at := m.view.At.Format(time.TimeOnly) + " UTC"
	state, style := at, terminal.Plain
	switch {
	case m.err != nil:
		state, style = fmt.Sprintf("as of %s: %v", at, m.err), terminal.Red
	case m.paused:
		state, style = "paused at "+at, terminal.Yellow
	}
	state = terminal.Clip(terminal.Printable(state), max(m.width-2, 1))
	left := terminal.Clip("nanofront top  "+m.view.From.String(), max(m.width-2-utf8.RuneCountInString(state), 0))
	if utf8.RuneCountInString(left) < 2 {
		return m.colours.Paint(style, state)
	}
	return m.colours.Paint(terminal.Bold, left) + "  " + m.colours.Paint(style, state)
}

// tabs is the line that says what the table has, and what it leaves out.
func (m *model) tabs() string {
	var parts []string
	for k := range kinds {
		text := k.String()
		if k == m.kind {
			text = m.colours.Paint(terminal.Bold, "["+text+"]")
		}
		parts = append(parts, text)
	}
	if m.filter != "" {
		parts = append(parts, m.colours.Paint(terminal.Yellow, "with "+fmt.Sprintf("%q", m.filter)))
	}
	if m.wrong {
		parts = append(parts, m.colours.Paint(terminal.Yellow, "wrong ones only"))
	}
	return strings.Join(parts, "  ")
}

// table is the table's head and its rows, a line each.
func (m *model) table() []string {
	o := m.sorts[m.kind]
	rows := sorted(filtered(rowsOf(m.view, m.kind), m.filter, m.wrong), o)
	cols := make([]terminal.Column, len(columns[m.kind]))
	copy(cols, columns[m.kind])
	mark := "▾"
	if o.reverse {
		mark = "▴"
	}
	cols[o.column].Head += mark
	cols[o.column].Drop = 0
	t := terminal.Table{Columns: cols}
	for _, r := range rows {
		t.AddCells(r.cells...)
	}
	var b bytes.Buffer
	t.Print(&b, m.width, bool(m.colours))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(rows) == 0 {
		lines = append(lines, m.colours.Paint(terminal.Faint, "none"))
	}
	return lines
}
