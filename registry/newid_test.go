package registry

import (
	"strings"
	"testing"
)

func TestNewID_IsValidAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []struct{ role, host, want string }{
		{"echo", "web7", "echo-web7-"},
		{"echo", "web7.example.org", "echo-web7-"},
		{"echo", "3f2a1b9c0d1e", "echo-3f2a1b9c0d1e-"},
		{"echo", "My_Box.LAN", "echo-my-box-"},
		{"echo", "", "echo-"},
		{"echo", "-é-", "echo-"},
		{"terminator", strings.Repeat("h", 200), "terminator-" + strings.Repeat("h", maxIDHost) + "-"},
		{strings.Repeat("r", 63), strings.Repeat("h", 64), strings.Repeat("r", maxIDRole) + "-" + strings.Repeat("h", maxIDHost) + "-"},
		{"", "", ""},
	} {
		for range 100 {
			id := newID(c.role, c.host)
			if !validID(id) || !strings.HasPrefix(id, c.want) || seen[id] {
				t.Fatalf("newID(%q, %q) = %q, seen before: %v; want a valid name that begins with %q", c.role, c.host, id, seen[id], c.want)
			}
			seen[id] = true
		}
	}
	if a, b := NewID("echo"), NewID("echo"); a == b {
		t.Errorf("two are called %s", a)
	}
}
