package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"nanofront/trace"
)

// bus call --trace shows what an instance did, as a tree and as JSON; and says what is missing
// where none keeps spans.
func TestCall_Trace(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 2, handler: []string{"--trace-ring=1000"}})
	got := finish(t, "nanofront", "bus", "call", "echo", "/echo/sleep?ms=50", "--static", f.table, "--trace")
	for _, want := range []string{"call echo", "└─ GET echo", "   └─ handler_queue", "instance", "echo-"} {
		if !strings.Contains(got.out, want) || got.code != 0 {
			t.Errorf("no %q, exit code %d:\n%s", want, got.code, got.out)
		}
	}
	got = finish(t, "nanofront", "bus", "call", "echo", "/echo/sleep?ms=50", "--static", f.table, "--trace", "--json", "--instance", "echo-2")
	var c struct {
		Timing map[string]int64 `json:"timing_us"`
		Trace  string           `json:"trace_id"`
		Spans  []trace.Reported `json:"spans"`
	}
	if err := json.Unmarshal([]byte(got.out), &c); err != nil {
		t.Fatalf("%v:\n%s", err, got.out)
	}
	i := slices.IndexFunc(c.Spans, func(s trace.Reported) bool { return s.Name == "GET echo" })
	if i < 0 || len(c.Spans) != 2 || len(c.Trace) != 32 || c.Spans[i].Instance != "echo-2" {
		t.Fatalf("got %s", got.out)
	}
	took := (c.Spans[i].End - c.Spans[i].Start) / 1000
	if work := c.Timing["handler"] + c.Timing["handler_queue"]; took < 50_000 || took < work*95/100 || took > c.Timing["total"]*105/100 {
		t.Errorf("the span took %d µs, the handler says %d, all of it took %d", took, work, c.Timing["total"])
	}
}

func TestCall_TraceOfNobody(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	got := finish(t, "nanofront", "bus", "call", "echo", "/hello", "--static", f.table, "--trace")
	if got.code != 0 || !strings.Contains(got.out, "No instance keeps spans") {
		t.Errorf("exit code %d:\n%s", got.code, got.out)
	}
}
