package report

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

// TestPercentiles_AreReadAsPlottersDo: lines of four numbers, rising, up to all of the requests.
func TestPercentiles_AreReadAsPlottersDo(t *testing.T) {
	rep := resulttest.Report(resulttest.Options{Rounds: 1})
	dir := t.TempDir() + "/a/b"
	files, err := Percentiles(dir, rep)
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for i := range rep.Runs {
		r := &rep.Runs[i]
		if r.Latency.HDR() == nil {
			continue
		}
		checkHGRM(t, files[whole], r.Latency.Digest())
		whole++
	}
	if whole == 0 || len(files) != whole {
		t.Errorf("%d files for %d distributions", len(files), whole)
	}
	if _, err := Percentiles(files[0], rep); err == nil {
		t.Error("made a folder of a file")
	}
	if files, err := Percentiles(dir+"/none", &result.Report{}); len(files) > 0 || err != nil {
		t.Errorf("of nothing: %v, %v", files, err)
	} else if _, err := os.Stat(dir + "/none"); err == nil {
		t.Error("made a folder for nothing")
	}
}

func checkHGRM(t *testing.T, name string, d result.Digest) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	value, share, count, rows, p99 := 0.0, -1.0, uint64(0), 0, math.NaN()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if words := strings.Fields(line); strings.HasPrefix(line, "#") || len(words) != 4 || words[0] == "Value" {
			continue
		}
		var v, p float64
		var n uint64
		var odds string
		if _, err := fmt.Sscan(line, &v, &p, &n, &odds); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		if v < value || p < share || n < count {
			t.Errorf("%s: %q doesn't rise", name, line)
		}
		if p >= 0.99 && math.IsNaN(p99) {
			p99 = v
		}
		value, share, count = v, p, n
		rows++
	}
	if rows < 10 || share != 1 || count != d.Count || math.Abs(value-d.Max) > d.Max/100 || math.Abs(p99-d.P99) > d.P99/5 {
		t.Errorf("%s: %d lines up to %v at %v of %d, p99 %v; want %+v", name, rows, value, share, count, p99, d)
	}
}
