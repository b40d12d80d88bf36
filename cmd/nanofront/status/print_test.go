package status

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"nanofront/cmd/nanofront/overview"
	"nanofront/internal/terminal"
	"nanofront/registry"
)

// What status prints fits the terminal, and has colours only on one that may.
func TestStatus_FitsTheTerminal(t *testing.T) {
	terminators := []overview.Terminator{
		{Instance: "terminator-front-1a2b3c4d", Ready: true, Rate: 51234, P50: 1.86, P99: 16.39, InFlight: 1049, Limit: 1024, Conns: 20000, Failed: 3},
		{Admin: "10.0.0.2:8081", Error: "connection refused"},
	}
	var instances []overview.Instance
	for _, st := range overview.States {
		instances = append(instances, overview.Instance{
			Instance: registry.Instance{Service: "profile", ID: "profile-back-5e6f7a8b", Address: "tcp://10.0.0.17:40583", Window: 4096, Weight: 100, Version: "v2.1.0"},
			State:    st.State, Uptime: 3600,
		})
	}
	v := overview.View{
		From: overview.Place{Etcd: "http://127.0.0.1:2379", Prefix: "/nanofront/v1/"}, Terminators: terminators, Instances: instances,
		Problems: []overview.Problem{{Kind: "instance", Name: "profile/profile-back-5e6f7a8b", Text: "no answer: " + strings.Repeat("a very long reason ", 12)}},
		Services: []overview.Service{{Name: "profile", Routed: true, Instances: 5, Serving: 1, Rate: 51234, P50: 1.86, P99: 16.39, Failed: 0.3, Shed: 1200, InFlight: 1049, Limit: 16384}, {Name: "ledger"}},
	}
	for i := range maxRoutes + 1 {
		v.Routes = append(v.Routes, overview.Route{Name: fmt.Sprintf("GET_POST *.example.com/a/long/prefix/%d/*", i), Match: "GET,POST *.example.com/a/long/prefix/*", Service: "profile", Rate: 1234, P50: 1.86, P99: 16.39})
	}
	for _, width := range []int{80, 100, 120, 200} {
		var out bytes.Buffer
		s := terminal.Screen{Writer: &out, Width: width}
		printOn(s, &v)
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		for _, want := range []string{"serving", "draining", "registered", "silent", "gone", "no answer", "51,234", "of the last 10 s", "! instance profile/", "1 of 5", "and 1 route with fewer"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("in %d columns there is no %q:\n%s", width, want, out.String())
			}
		}
		if dropped := strings.Contains(out.String(), "left out    "); dropped != (width < 200) {
			t.Errorf("in %d columns something is left out: %v\n%s", width, dropped, out.String())
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("colours: %q", out.String())
		}
	}
	var out bytes.Buffer
	printOn(terminal.Screen{Writer: &out, Colours: true}, &v)
	for _, want := range []string{"\x1b[31mgone\x1b[0m", "\x1b[32mserving\x1b[0m", "\x1b[31mno answer\x1b[0m", "\x1b[31m3\x1b[0m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}
