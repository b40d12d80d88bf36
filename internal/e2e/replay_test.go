package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// replayed is the output of nanofront replay --json.
type replayed struct {
	Differs bool              `json:"differs"`
	Failed  map[string]uint64 `json:"failed"`
	Total   struct {
		Requests, Same, Differ, Unknown uint64
	} `json:"total"`
	Routes []struct {
		Route       string `json:"route"`
		Differences []struct {
			What  string `json:"what"`
			Count uint64 `json:"count"`
		} `json:"differences"`
		Samples []struct{ Target, What string } `json:"samples"`
	} `json:"routes"`
	Skipped struct {
		Methods map[string]uint64 `json:"methods"`
	} `json:"skipped"`
}

// replay replays a recording with --json.
func (s *system) replay(t *testing.T, code int, args ...string) (r replayed) {
	t.Helper()
	f := s.nanofront(t, append([]string{"replay", "--json", "--max-late", "1m"}, args...)...)
	// The progress may stand before it, and the verdict behind it.
	err := json.NewDecoder(strings.NewReader(f.out[max(0, strings.Index(f.out, "{\n")):])).Decode(&r)
	if err != nil || f.code != code {
		t.Fatalf("replay %v: exit code %d, want %d, %v:\n%s", args, f.code, code, err, f.out)
	}
	return r
}

// TestReplay records from a system that runs and replays against it: through the front, to a service
// and to one instance nothing differs, and what a fault changes is named.
func TestReplay(t *testing.T) {
	s := startUp(t, "--seed", "1000")
	dir := t.TempDir()
	name, key := filepath.Join(dir, "a.nfrec"), filepath.Join(dir, "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("key "), 8), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := start(t, "nanofront", "record", name, "--key-file", key, "--etcd", s.etcd)
	rec.says(t, "listening to profile/profile-1")
	rec.says(t, "listening to web/web-1")
	const members = 100
	for i := range members {
		ask(t, s.http, get(fmt.Sprintf("/profile/%d", 701+i))).wants(t, 200, "a member")
	}
	ask(t, s.http, request{method: "POST", target: "/echo", body: "x"})
	interrupt(t, rec)

	front := "http://" + s.http
	// The page says how long ago a member was seen: its size may change with the minute.
	r := s.replay(t, 0, name, front, "--compare", "status,content-type,vary", "--speed", "5")
	if r.Total.Requests != members || r.Total.Same != members || r.Skipped.Methods["POST"] == 0 {
		t.Errorf("to the front: %+v", r)
	}
	for _, to := range [][]string{{"--service", "profile"}, {"--service", "profile", "--instance", "profile-1"}} {
		r := s.replay(t, 0, append([]string{name, "--key-file", key, "--flat-out", "--loop", "2"}, to...)...)
		if r.Total.Requests != 2*members || r.Total.Same != 2*members {
			t.Errorf("to %v: %+v", to, r)
		}
	}

	flipBit(t, s.data)
	s.kill(t, "profile-1", syscall.SIGTERM) // it has the record in its memory
	testutil.Eventually(t, "profile is back", func() bool { return ask(t, s.http, get("/profile/1")).status == 200 })
	r = s.replay(t, 3, name, front, "--compare", "status", "--samples", "100")
	if !r.Differs || r.Total.Differ == 0 || r.Total.Differ+r.Total.Same != members || len(r.Failed) > 0 {
		t.Fatalf("with a damaged record: %+v", r)
	}
	named := false
	for _, route := range r.Routes {
		for _, d := range route.Differences {
			if d.What != "status 200 → 500" {
				t.Errorf("route %s: %d × %s", route.Route, d.Count, d.What)
			}
		}
		for _, sm := range route.Samples {
			named = named || sm.Target == "/profile/777" && strings.Contains(sm.What, "200 → 500")
		}
	}
	if !named {
		t.Errorf("member 777 isn't named: %+v", r.Routes)
	}
	shown := s.nanofront(t, "replay", name, front, "--compare", "status", "--max-late", "1m")
	t.Log(shown.out)
	if shown.code != 3 || !strings.Contains(shown.out, "× status 200 → 500") {
		t.Errorf("exit code %d", shown.code)
	}
}
