package terminator

import (
	"testing"

	"nanofront/registry"
)

// Where there are toggles, requests carry the revision by which handlers decide them, also with
// routes that know no versions; and what such routes mean is what it was.
func TestStamp_RoutesWithoutVersions(t *testing.T) { bothWays(t, testStamp) }

func testStamp(t *testing.T) {
	f := startFront(t, Options{})
	f.versioned(t, "w1", "41")
	routes, err := registry.ParseRoutes([]byte("version: 1\nroutes: [{match: {prefix: /}, service: work}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		revision int64
		stamp    bool
		want     string
	}{{7, false, `41  0 "" mine`}, {7, true, `41  7 "" mine`}, {9, true, `41  9 "" mine`}, {9, false, `41  0 "" mine`}} {
		f.d.change(func(s *registry.Snapshot) { s.Routes, s.Revision, s.Stamp = routes, x.revision, x.stamp })
		eventually(t, "the revision in force", func() bool { return f.ask(t, "GET", "/", "X-Version: mine\n").body == x.want })
	}
}
