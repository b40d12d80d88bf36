package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"
)

//go:embed pages
var pageFiles embed.FS

// pages are parsed once; that they parse is known when any test has run.
var pages = template.Must(template.New("").Funcs(template.FuncMap{"style": style}).ParseFS(pageFiles, "pages/*.html"))

// style is the sheet that all pages carry with them.
func style() (template.CSS, error) {
	sheet, err := pageFiles.ReadFile("pages/style.css")
	return template.CSS(sheet), err //nolint:gosec // ours, embedded
}

// member is what the pages show of a document of service profile. All of its
// text is foreign: the templates escape it.
type member struct {
	ID        uint64    `json:"id"`
	Version   uint64    `json:"version"`
	Nickname  string    `json:"nickname"`
	Gender    string    `json:"gender"`
	Birthday  string    `json:"birthday"`
	City      string    `json:"city"`
	Country   string    `json:"country"`
	Interests []string  `json:"interests"`
	About     string    `json:"about"`
	LastSeen  time.Time `json:"last_seen"`

	now time.Time
}

func parseMember(document []byte, now time.Time) (*member, error) {
	m := &member{now: now}
	if err := json.Unmarshal(document, m); err != nil {
		return nil, fmt.Errorf("web: can't read a member's document: %w", err)
	}
	return m, nil
}

// Title is the page's.
func (m *member) Title() string { return m.Nickname + " · nanofront" }

// Age is in full years; 0 if the birthday is not told.
func (m *member) Age() int {
	born, err := time.Parse(time.DateOnly, m.Birthday)
	if err != nil || born.After(m.now) {
		return 0
	}
	age := m.now.Year() - born.Year()
	if m.now.Month() < born.Month() || m.now.Month() == born.Month() && m.now.Day() < born.Day() {
		age--
	}
	return age
}

// Seen is how long ago the member was there.
func (m *member) Seen() string {
	return string(appendAgo(nil, m.LastSeen.Unix(), m.now.Unix()))
}

// LastSeenISO is for machines.
func (m *member) LastSeenISO() string { return m.LastSeen.UTC().Format(time.RFC3339) }

// Likes are the first interests.
func (m *member) Likes() string { return strings.Join(m.Interests[:min(3, len(m.Interests))], ", ") }

// Photo is the picture, to be put into the page.
func (m *member) Photo() template.HTML {
	return template.HTML(appendPhoto(nil, int64(m.ID))) //nolint:gosec // drawn from a number
}

func profilePage(w io.Writer, document []byte, now time.Time) error {
	m, err := parseMember(document, now)
	if err != nil {
		return err
	}
	return pages.ExecuteTemplate(w, "profile.html", m)
}

// membersPage leaves a document that can't be read out, as one more missing.
func membersPage(w io.Writer, city string, documents [][]byte, missing int, now time.Time) error {
	list := make([]*member, 0, len(documents))
	for _, d := range documents {
		if m, err := parseMember(d, now); err == nil {
			list = append(list, m)
		} else {
			missing++
		}
	}
	return pages.ExecuteTemplate(w, "members.html", struct {
		Title, City string
		Members     []*member
		Missing     int
	}{"Members in " + city + " · nanofront", city, list, missing})
}

// errorPage says what went wrong, and where to go from there; again is empty if
// trying once more is no use.
func errorPage(w io.Writer, status int, text, again string) error {
	heading := headings[status]
	if heading == "" {
		heading = http.StatusText(status)
	}
	return pages.ExecuteTemplate(w, "error.html", struct {
		Title, Heading, Text, Again string
		Status                      int
	}{heading + " · nanofront", heading, sentence(text), again, status})
}

// eventsPage shows the changes that this instance has heard of.
func eventsPage(w io.Writer, o *overheard, now time.Time) error {
	type row struct {
		heard
		Ago string
	}
	rows := make([]row, len(o.Events))
	for i, e := range o.Events {
		rows[i] = row{e, string(appendAgo(nil, e.At.Unix(), now.Unix()))}
	}
	return pages.ExecuteTemplate(w, "events.html", struct {
		Title string
		*overheard
		Rows []row
		Kept int
	}{"Changes · nanofront", o, rows, KeptEvents})
}

// indexPage is the page at /, which changes with the instance only.
func indexPage(instance string) ([]byte, error) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, "index.html", instance)
	return b.Bytes(), err
}
