package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
	"nanofront/internal/cli"
)

func TestList_NamesAll(t *testing.T) {
	out, _, err := bench(t, "list", "--long")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  gate ", "  hello ", "  soak ", "  plain ", "  nats ", "  wrk ", "HAProxy in front"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.TrimSpace(want)) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestRun_UsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "helo"}, "hello"},
		{[]string{"helo"}, "hello"}, // run is the default
		{[]string{"run", "--rounds", "101"}, "rounds"},
		{[]string{"run", "--driver", "ab"}, "driver"},
		{[]string{"run", "hello", "--target", "http://127.0.0.1:1", "--subjects", "apache"}, "apache"},
		{[]string{"compare", "a", "b", "--max-regression", "10"}, "percentage"},
		{[]string{"peer", "apache"}, "apache"},
	} {
		_, _, err := bench(t, c.args...)
		var usage *cli.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("bench %s: %v", strings.Join(c.args, " "), err)
		}
	}
	if _, _, err := bench(t, "run", "hello", "--bin", t.TempDir()); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without programs: %v", err)
	}
}

// saved writes a report to a folder, changed.
func saved(t *testing.T, seed uint64, change func(*result.Run)) string {
	t.Helper()
	rep := resulttest.Report(resulttest.Options{Seed: seed, Rounds: 5})
	for i := range rep.Runs {
		change(&rep.Runs[i])
	}
	dir := t.TempDir()
	if err := result.WriteFile(filepath.Join(dir, fileJSON), rep); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReport_ShowsAndDrawsSavedResults(t *testing.T) {
	dir := saved(t, 1, func(*result.Run) {})
	out := filepath.Join(t.TempDir(), "again")
	text, _, err := bench(t, "report", dir, "--out", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "nanofront") || !strings.Contains(text, "closed loop") {
		t.Errorf("printed\n%s", text)
	}
	for _, name := range []string{fileJSON, fileHTML, dirPlots} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := bench(t, "report", filepath.Join(dir, "none.json")); err == nil {
		t.Error("a file that isn't there is shown")
	}
	if _, _, err := bench(t, "report", dir, dir, "--out", out); err == nil {
		t.Error("two results are written to one folder")
	}
}

func TestCompare_FailsOnARegression(t *testing.T) {
	before := saved(t, 1, func(*result.Run) {})
	same := saved(t, 2, func(*result.Run) {})
	slow := saved(t, 3, func(r *result.Run) {
		if r.Subject == result.Nanofront && r.Loop == result.Closed {
			r.Rate /= 2
		}
	})
	if out, _, err := bench(t, "compare", before, same, "--max-regression", "25%"); err != nil {
		t.Errorf("about the same: %v\n%s", err, out)
	}
	out, _, err := bench(t, "compare", before, slow, "--max-regression", "25%")
	if err == nil || !strings.Contains(err.Error(), "regression") || !strings.Contains(out, "regression: ") {
		t.Errorf("half as fast: %v\n%s", err, out)
	}
}
