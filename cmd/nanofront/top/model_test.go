package top

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"nanofront/cmd/nanofront/overview"
	"nanofront/registry"
)

func view() *overview.View {
	rate, p50, p99, failed, inFlight := 1234.0, 1.86, 16.39, 0.0, 12.0
	v := &overview.View{
		From: overview.Place{Etcd: "http://127.0.0.1:2379", Prefix: "/nanofront/v1/"}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Terminators: []overview.Terminator{
			{Instance: "terminator-front-1a2b3c4d", Ready: true, Rate: 51234, P50: 1.86, P99: 16.39, Failed: 3, Version: "v1.2.3"},
			{Admin: "10.0.0.2:8081", Error: "connection refused"},
		},
		Services: []overview.Service{{Name: "web", Routed: true, Instances: 2, Serving: 2, Rate: 100, P99: 5}, {Name: "slow", Routed: true, Rate: 10, P99: 300, Degraded: "no instance is known"}},
	}
	for i := range 40 {
		v.Instances = append(v.Instances, overview.Instance{
			Instance: registry.Instance{Service: "profile", ID: fmt.Sprintf("profile-back-%02d", i), Version: "v2.1.0"}, State: overview.Serving, Uptime: 3600,
			Rate: &rate, P50: &p50, P99: &p99, Failed: &failed, InFlight: &inFlight,
		})
		v.Routes = append(v.Routes, overview.Route{Name: fmt.Sprintf("route-%d", i), Match: "GET,POST *.example.com/a/long/prefix/*", Service: "web", Rate: float64(i)})
	}
	v.Instances[7].State = overview.Gone
	for i := range 5 {
		v.Problems = append(v.Problems, overview.Problem{Kind: "instance", Name: fmt.Sprintf("profile/profile-back-%02d", i), Text: "no answer: " + strings.Repeat("a very long reason ", 9)})
	}
	return v
}

// press presses keys, by their names.
func press(m *model, keys ...string) {
	for _, k := range keys {
		text := k
		if len(k) > 1 {
			text = ""
		}
		m.key(k, text)
	}
}

// Whatever is chosen, the screen fits the terminal.
func TestModel_Fits(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {60, 10}, {120, 50}, {200, 60}, {40, 5}} {
		m := newModel(view(), nil, time.Second, false)
		m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, k := range []string{"1", "s", "s", "2", "s", "3", "s", "down", "pgdown", "/", "x", "enter", "w", "1"} {
			press(m, k)
			lines := strings.Split(m.screen(), "\n")
			if len(lines) > size[1] {
				t.Errorf("%v after %s: %d lines", size, k, len(lines))
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > size[0] && size[0] >= 60 {
					t.Errorf("%v after %s: %d columns: %s", size, k, n, l)
				}
			}
		}
	}
}

// first is the first cell of a table's first row.
func first(t *testing.T, m *model) string {
	t.Helper()
	rows := m.table()
	return strings.Fields(rows[1])[0]
}

// Tables are sorted by the column that is marked, numbers from the largest; filters leave out rows.
func TestModel_SortsAndFilters(t *testing.T) {
	m := newModel(view(), nil, time.Second, false)
	m.width, m.height = 120, 30
	press(m, "2")
	if got := first(t, m); got != "slow" {
		t.Errorf("by name: %s", got)
	}
	press(m, "s", "s")
	if got := first(t, m); got != "web" || !strings.Contains(m.screen(), "req/s▾") {
		t.Errorf("by rate: %s\n%s", got, m.screen())
	}
	press(m, "r")
	if got := first(t, m); got != "slow" || !strings.Contains(m.screen(), "req/s▴") {
		t.Errorf("reversed: %s", got)
	}
	press(m, "tab", "s", "s")
	if got := first(t, m); got != "route-39" {
		t.Errorf("routes by rate: %s", got)
	}
	press(m, "/", "e", "-", "1", "1", "enter")
	if rows := m.table(); len(rows) != 2 || first(t, m) != "route-11" {
		t.Errorf("filtered: %q", rows)
	}
	press(m, "esc", "1", "w")
	if rows := m.table(); len(rows) != 4 { // head, two terminators, one instance
		t.Errorf("wrong ones: %q", rows)
	}
	if press(m, "/", "q", "backspace", "esc"); m.typing || m.filter != "" {
		t.Errorf("the filter is %q", m.filter)
	}
}

// Paused, the screen stays as it is; a look that fails is said, and what is shown stays.
func TestModel_PausesAndFails(t *testing.T) {
	later := view()
	later.At = later.At.Add(time.Minute)
	m := newModel(view(), nil, time.Second, false)
	m.width, m.height = 120, 30
	press(m, "p")
	m.Update(seen{view: later})
	if s := m.screen(); !strings.Contains(s, "paused at 03:04:05") {
		t.Errorf("paused:\n%s", s)
	}
	press(m, "p")
	if s := m.screen(); !strings.Contains(s, "03:05:05 UTC") || strings.Contains(s, "paused") {
		t.Errorf("going on:\n%s", s)
	}
	m.Update(seen{err: errors.New("etcd is away")})
	if s := m.screen(); !strings.Contains(s, "as of 03:05:05 UTC: etcd is away") || !strings.Contains(s, "profile-back-03") {
		t.Errorf("after a failure:\n%s", s)
	}
	if cmd := m.key("q", "q"); cmd == nil {
		t.Error("q doesn't end it")
	}
}
