package status

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nanofront/internal/cli"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// adminPort answers as a process does that has these figures and links.
func adminPort(t *testing.T, r metrics.Report, links []nanobus.LinkInfo, state string) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/metrics.json":
			_ = json.NewEncoder(w).Encode(r)
		case "/links.json":
			_ = json.NewEncoder(w).Encode(links)
		case "/state.json":
			_, _ = w.Write([]byte(state))
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// Status asks all admin ports and bus addresses of a table, and shows what it found; who
// doesn't answer is an error for scripts.
func TestCommand_ShowsWhatItFinds(t *testing.T) {
	front := adminPort(t, metrics.Report{
		Program: metrics.Terminator, Instance: "terminator-1", PID: 17,
		Counters: map[string]metrics.CounterReport{"upstream.web.requests": {Rate: 1234}, "route.__.requests": {Rate: 1234}, "route.__.failed": {Rate: 3}},
		Timers: map[string]metrics.TimerReport{
			"upstream.web.latency": {Last: metrics.Distribution{Rate: 1234, P50: 25, P99: 99}},
			"route.__.latency":     {Last: metrics.Distribution{Rate: 1234, P50: 25, P99: 1500}},
		},
	},
		[]nanobus.LinkInfo{{Service: "web", Instance: "web-1", State: "live"}},
		`{"ready": true, "reasons": [], "degraded": [{"service": "web", "reason": "no instance of web"}]}`)
	web := adminPort(t, metrics.Report{Program: metrics.Handler, Instance: "web-1", PID: 18}, nil, "")
	bus, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	nobody := testutil.FreeAddr(t)
	table := filepath.Join(t.TempDir(), "table.yaml")
	content := `
version: 1
instances:
  - {service: web, id: web-1, address: "tcp://127.0.0.1:1", admin: "` + web + `"}
  - {service: echo, id: echo-1, address: "tcp://` + bus.Addr().String() + `"}
  - {service: echo, id: echo-2, address: "tcp://` + nobody + `"}
routes:
  - {match: {prefix: /}, service: web}
`
	if err := os.WriteFile(table, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	show := func(c *Command) (string, error) {
		var out, errs bytes.Buffer
		c.Static = table
		err := c.Run(t.Context(), cli.IO{Out: &out, Err: &errs})
		return out.String(), err
	}
	out, err := show(&Command{Terminators: []string{front}})
	if err == nil || err.Error() != "service web: no instance of web; and 1 more problem" {
		t.Errorf("the first problem: %v", err)
	}
	for _, want := range []string{
		"table " + table, "terminator-1", "degraded", "serving", "registered", "gone",
		"! service web: no instance of web", "! instance echo/echo-2: its process has ended", "1 of 1", "25.0 ms", "1.50 s", "1,234", "/*",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, err = show(&Command{Terminators: []string{front, nobody}, JSON: true})
	if err == nil || !strings.Contains(err.Error(), "terminator "+nobody+": no answer") {
		t.Errorf("a terminator that doesn't answer: %v", err)
	}
	var doc struct {
		Terminators []struct {
			PID   int
			Error string
		}
		Instances []struct {
			ID, State string
			PID       int
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(doc.Terminators) != 2 || doc.Terminators[0].PID != 17 || doc.Terminators[1].Error == "" {
		t.Errorf("terminators %+v", doc.Terminators)
	}
	states := map[string]string{}
	for _, in := range doc.Instances {
		states[in.ID] = in.State
	}
	if states["web-1"] != "serving" || states["echo-1"] != "registered" || states["echo-2"] != "gone" {
		t.Errorf("states %v", states)
	}
}
