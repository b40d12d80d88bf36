package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/load"
	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/internal/cli"
)

func newServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("hello"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func bench(t *testing.T, args ...string) (out, messages string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = run(t.Context(), args, cli.IO{In: strings.NewReader(""), Out: &o, Err: &e})
	return o.String(), e.String(), err
}

// A run that fails leaves the results of the one before.
func TestLoad_KeepsTheFileBefore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bench(t, "load", "http://nowhere.invalid/", "--duration", "300ms", "--warmup", "0s", "--json", name); err == nil {
		t.Fatal("a name that doesn't exist is no error")
	}
	if raw, err := os.ReadFile(name); err != nil || string(raw) != "old" {
		t.Errorf("the file has %.100q, %v", raw, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(name)); err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
}

func TestLoad_PrintsASummaryAndWritesJSON(t *testing.T) {
	url := newServer(t)
	name := filepath.Join(t.TempDir(), "result.json")
	out, _, err := bench(t, "load", url, "--rate", "200", "--duration", "500ms", "--warmup", "0s", "--connections", "8", "--timeout", "20s", "--json", name)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{
		`(?m)^http://127.*  open loop, 500ms counted, 8 connections, 1 threads?$`,
		`(?m)^  planned +200/s   100 requests$`,
		`(?m)^  sent +\d+/s   \d+, \d+ of them more than 10ms late`,
		`(?m)^  ok +\d+/s   \d+ answered as expected$`,
		`(?m)^ +mean +p50 +p90 +p99 +p99.9 +p99.99 +max$`,
		`(?m)^  latency( +[\d.]+ (µs|ms|s)){7}  from the planned time$`,
		`(?m)^  delay `,
		`cost: .* of CPU for a request here`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	rep, err := result.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := &rep.Runs[0]
	if r.Planned != 100 || r.Sent+r.NotSent != 100 || r.Loop != result.Open || r.Succeeded() <= 0 || r.Latency.HDR().TotalCount() < int64(r.Succeeded()) || len(r.Series) == 0 || r.Statuses["200"] != uint64(r.Latency.HDR().TotalCount()) {
		t.Errorf("the file has %+v", r)
	}
	// What is saved can be shown.
	if out, _, err := bench(t, "report", name); err != nil || !strings.Contains(out, url) {
		t.Errorf("report gives %v\n%s", err, out)
	}
}

// TestLoad_StepsHaveRows: each for itself, in the summary and in what is saved.
func TestLoad_StepsHaveRows(t *testing.T) {
	url := newServer(t)
	name := filepath.Join(t.TempDir(), "result.json")
	out, _, err := bench(t, "load", url, "--rate", "100@500ms,400@500ms,100..300@500ms,100@500ms", "--warmup", "0s", "--connections", "8", "--timeout", "20s", "--json", name)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{
		`(?m)^ +planned/s +ok/s +late +unsent +failed +p50 +p99 +p99.9 +max$`,
		`(?m)^  100/s +100 `, `(?m)^  400/s +400 `, `(?m)^  100..300/s +200 `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	rep, err := result.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		step    string
		planned uint64
	}{{"100/s", 50}, {"400/s", 200}, {"100..300/s", 100}, {"100/s again, 2", 50}} {
		if len(rep.Runs) != 4 {
			t.Fatalf("%d runs in the file, want 4", len(rep.Runs))
		}
		r := &rep.Runs[i]
		if r.Step != want.step || r.Planned != want.planned || r.Sent+r.NotSent != r.Planned || r.Latency.HDR().TotalCount() != int64(r.Statuses["200"]) {
			t.Errorf("run %d: %+v, want step %s with %d requests", i, r, want.step, want.planned)
		}
	}
	out, _, err = bench(t, "report", name)
	for _, want := range []string{"100/s", "400/s", "100..300/s"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("report: %v, no %s in\n%s", err, want, out)
		}
	}
}

func TestLoad_ClosedLoopSaysWhatItIs(t *testing.T) {
	out, _, err := bench(t, "load", newServer(t), "--duration", "300ms", "--warmup", "100ms", "--connections", "2", "--timeout", "20s", "--json", "-")
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := result.Read(strings.NewReader(out)); err != nil || rep.Runs[0].Loop != result.Closed || rep.Runs[0].Rate == 0 {
		t.Errorf("--json - gives %v, %.200s", err, out)
	}
}

func TestLoad_MixWithFailures(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mix.yaml")
	if err := os.WriteFile(name, []byte("requests:\n- {name: good, path: '/{rand:1-9}'}\n- {name: bad, path: /bad}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"load", newServer(t), "--rate", "200", "--duration", "500ms", "--warmup", "0s", "--connections", "8", "--timeout", "20s", "--mix", name}
	out, _, err := bench(t, args...)
	if err == nil || !regexp.MustCompile(`^\d+ of \d+ requests failed: --max-errors allows a share of 0.01$`).MatchString(err.Error()) {
		t.Errorf("half of it failed, and the error is %v", err)
	}
	for _, want := range []string{`(?m)^  failed +\d+     status \d+$`, `status, first: bad: status 503`, `(?m)^  good( +\d+){2} +0 `, `(?m)^  bad +\d+ +0 .*status \d+$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if _, _, err := bench(t, append(args, "--max-errors", "1")...); err != nil {
		t.Errorf("with all failures allowed: %v", err)
	}
}

func TestLoad_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"load"}, "url"},
		{[]string{"load", "x"}, `"x" is not a URL`},
		{[]string{"load", "http://a/", "--rate", "fast"}, `--rate: "fast" is not a rate`},
		{[]string{"load", "http://a/", "--mix", dir + "/none"}, "--mix: open "},
		{[]string{"load", "http://a/", "--json", dir}, "--json: open "},
		{[]string{"load", "http://a/", "--arrivals", "odd"}, `--arrivals: "odd" is not one of constant, poisson`},
		{[]string{"load", "http://a/", "--timeout", "1us"}, "--timeout: 1us is out of range"},
		{[]string{"load", "http://a/", "--churn", "--pipeline", "2"}, "pipeline: 2 requests can't share"},
	} {
		_, _, err := bench(t, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q gives %v, want %q", c.args, err, c.want)
		} else if !usageError(err) {
			t.Errorf("%q gives no usage error but %v", c.args, err)
		}
	}
	_, _, err := bench(t, "load", "http://127.0.0.1:1/", "--duration", "100ms")
	if err == nil || usageError(err) || !strings.Contains(err.Error(), "nobody listens on 127.0.0.1:1") {
		t.Errorf("without a server: %v", err)
	}
}

func TestLoad_InterruptedPrintsTheReport(t *testing.T) {
	url := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	done := make(chan error)
	seen := &seer{what: "sent", saw: cancel}
	go func() {
		done <- run(ctx, []string{"load", url, "--rate", "100", "--duration", "1h", "--warmup", "0s", "--timeout", "20s"}, cli.IO{Out: &out, Err: seen})
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("it doesn't end")
	}
	if !strings.Contains(out.String(), "open loop, interrupted") || !strings.Contains(out.String(), "latency ") {
		t.Errorf("the report is\n%s", out.String())
	}
}

func usageError(err error) bool { return errors.As(err, new(*cli.UsageError)) }

// seer calls saw when something is written that has what in it.
type seer struct {
	what string
	saw  func()
}

func (s *seer) Write(b []byte) (int, error) {
	if strings.Contains(string(b), s.what) {
		s.saw()
	}
	return len(b), nil
}

func TestProgressLine(t *testing.T) {
	s := load.Snapshot{Elapsed: 3 * time.Second, Total: 30 * time.Second, Second: load.Second{Sent: 50_000, OK: 49_999, P50: 950, P99: 12_345, Backlog: 7}}
	s.Second.Errors[load.CauseTimeout] = 1
	nothing := load.Snapshot{Elapsed: 4 * time.Second, Total: 30 * time.Second}
	for _, c := range []struct {
		columns, first, second string
	}{
		{
			"100", "\r3s of 30s  ok    49,999/s █  p99   12.3 ms █  failed 1  waiting 7",
			"\r4s of 30s  ok         0/s █▁  p99         – █–                   ",
		},
		{"40", "\r3s of 30s  ok    49,999/s █  p99   12.…", "\r4s of 30s  ok         0/s █▁  p99     …"},
	} {
		t.Setenv("COLUMNS", c.columns)
		var out bytes.Buffer
		p := newProgress(&out)
		p.terminal = true
		p.show(s)
		p.show(nothing)
		if got := out.String(); got != c.first+c.second {
			t.Errorf("in %s columns: got %q\nwant %q", c.columns, got, c.first+c.second)
		}
		out.Reset()
		p.end()
		if got := out.String(); strings.Trim(got, "\r ") != "" {
			t.Errorf("end writes %q", got)
		}
	}
	want := "3s of 30s          sent    10,000/s  ok     9,999/s  p50    950 µs  p99   12.3 ms  failed 1  waiting 7"
	if got := progressLine(&s, 50_000, 49_999, 1, 5, 950, 12_345); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestFigures(t *testing.T) {
	for us, want := range map[int64]string{0: "–", 999: "999 µs", 1000: "1.00 ms", 12_345: "12.3 ms", 1_000_000: "1.00 s", 60_000_000: "60.0 s"} {
		if got := micros(us); got != want {
			t.Errorf("micros(%d) = %q, want %q", us, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0.0 B/s", 999: "999.0 B/s", 46_120_000: "46.1 MB/s", 5e9: "5.0 GB/s"} {
		if got := speed(n, time.Second); got != want {
			t.Errorf("speed(%d) = %q, want %q", n, got, want)
		}
	}
	if got := speed(1, 0); got != "–" {
		t.Errorf("speed within no time = %q", got)
	}
}

// TestLoad_OverTime: rate and p99 of each second are drawn, and nothing that wasn't measured is
// called 0.
func TestLoad_OverTime(t *testing.T) {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }
	r := &load.Result{
		URL: "http://a/", Mode: "open", Duration: 4 * time.Second, Connections: 1, Workers: 2, Planned: 400,
		Counts: load.Counts{Latency: h()}, Service: h(), Delay: h(), Failed: h(),
		Steps: []load.Step{{Stage: load.Stage{From: 1, To: 1}, Counts: load.Counts{Latency: h()}}, {Stage: load.Stage{From: 2, To: 2}, Counts: load.Counts{Latency: h()}}},
	}
	for i, s := range []load.Second{{OK: 100, P99: 1500}, {OK: 50, P99: 3000}, {}, {OK: 100, P99: 750}, {OK: 7, P99: 9000}} {
		s.Start, s.Length = time.Duration(i)*time.Second, time.Second
		r.Series = append(r.Series, s)
	}
	var out bytes.Buffer
	printSummary(&out, r, time.Millisecond)
	for _, want := range []string{
		`(?m)1 connection, 2 threads$`,
		`(?m)^ +least +most$`, `(?m)^  ok/s +0 +100  █▅▁█$`, `(?m)^  p99 +750 µs +3.00 ms  ▅█–▃$`,
		`(?m)^  1/s +0 +0 +0 +0 +0 +– +– +– +–$`, `cost: – of CPU`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}

// TestLoad_SaysThatRequestsWereLate above all figures: two connections to a server that takes
// 300 ms can't carry 50 requests a second.
func TestLoad_SaysThatRequestsWereLate(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(300 * time.Millisecond) }))
	t.Cleanup(s.Close)
	out, _, _ := bench(t, "load", s.URL, "--rate", "50", "--duration", "1s", "--warmup", "0s", "--connections", "2", "--timeout", "20s", "--max-errors", "1")
	if !strings.HasPrefix(out, report.BannerTitle) || !strings.Contains(out, "% of the requests left late (limit: 1 %)") || !strings.Contains(out, "What to do: offer less") {
		t.Errorf("printed\n%s", out)
	}
}

// TestLoad_Out writes what bench run does, and the latencies for plotters.
func TestLoad_Out(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	out, _, err := bench(t, "load", newServer(t), "--rate", "200", "--duration", "3s", "--warmup", "0s", "--connections", "8", "--timeout", "20s", "--out", dir)
	if err != nil {
		t.Fatal(err, out)
	}
	if !strings.Contains(out, "written to "+dir) || !strings.Contains(out, "1 distribution in hgrm") {
		t.Errorf("printed\n%s", out)
	}
	for _, name := range []string{fileJSON, fileHTML} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{"plots/time-load-*.svg", "hgrm/load-*.hgrm"} {
		if names, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(names) != 1 {
			t.Errorf("%s: %v, %v", pattern, names, err)
		}
	}
	if _, _, err := bench(t, "load", "http://127.0.0.1:1/", "--out", filepath.Join(dir, fileJSON)); !usageError(err) {
		t.Errorf("a file as the folder: %v", err)
	}
}

// TestHelp_HasExamples, each of which is a command line that is understood.
func TestHelp_HasExamples(t *testing.T) {
	for command, c := range map[string]cli.Exampler{
		"": grammar{}, "run": &runCommand{}, "list": &listCommand{}, "load": &loadCommand{}, "report": &reportCommand{}, "compare": &compareCommand{},
	} {
		help, _, err := bench(t, append(strings.Fields(command), "--help")...)
		if !errors.Is(err, cli.ErrDone) || !strings.Contains(help, "\nExamples:\n") {
			t.Errorf("bench %s --help: %v\n%s", command, err, help)
		}
		for _, e := range c.Examples() {
			words := strings.Fields(e[0])
			if !strings.Contains(help, e[0]) || words[0] != "bench" || command != "" && words[1] != command {
				t.Errorf("bench %s: example %q in\n%s", command, e[0], help)
			}
			var g grammar
			if _, err := cli.Parse(cli.Program{Name: "bench"}, &g, words[1:], cli.IO{Out: io.Discard, Err: io.Discard}); err != nil {
				t.Errorf("%s: %v", e[0], err)
			}
		}
	}
}
