package result_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"nanofront/bench/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

const golden = "testdata/report-v1.json"

// equal compares histograms by what they hold.
var equal = cmp.Comparer(func(a, b result.Histogram) bool {
	if (a.HDR() == nil) != (b.HDR() == nil) {
		return false
	}
	return a.Digest() == b.Digest() && (a.HDR() == nil || a.HDR().Equals(b.HDR()))
})

func histogram(t testing.TB, micros ...int64) result.Histogram {
	t.Helper()
	h := hdrhistogram.New(result.HistogramMin, result.HistogramMax, result.HistogramDigits)
	for _, v := range micros {
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
	}
	return result.FromHDR(h)
}

// small has every field set.
func small(t testing.TB) *result.Report {
	return &result.Report{
		Format: result.Format, Name: "bench run", Headline: "one hop: 9 req/s", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: time.Minute,
		Environment: result.Environment{
			CPU: "a CPU", Cores: 2, MemoryMB: 1024, OS: "linux/amd64", Kernel: "6.1", Go: "go1.26.0", Commit: "0123456789ab+", Flags: []string{"terminator"},
			Autogroup: "on", Governor: "performance", Limits: []string{"memory 100 MiB"}, Noise: result.Noise{SpinP50: 100, SpinP99: 110.5, SpinMax: 2000, LostPercent: 1.5},
		},
		Commands: []string{"bench run"}, Notes: []string{"a note"},
		Runs: []result.Run{
			{
				Scenario: "overload", Subject: result.Nanofront, Driver: "bench", Loop: result.Open, Round: 1, Step: "2x knee", OfferedRate: 12, Connections: 4, Duration: time.Second,
				Planned: 12, Sent: 11, SentLate: 2, NotSent: 1, Completed: 10, Failed: map[string]uint64{"status": 1, "timeout": 1}, Statuses: map[string]uint64{"200": 9, "503": 1},
				BytesIn: 1000, BytesOut: 500, Rate: 9, Latency: histogram(t, 900, 1000, 1100, 30_000), Service: histogram(t, 800),
				Series:    []result.Point{{At: 1, Offered: 12, Rate: 9, Errors: 2, P50: 1, P99: 30}},
				Processes: []result.Process{{Name: "terminator", Role: "terminator", CPUSeconds: 0.25, PeakRSSBytes: 1 << 20, VoluntarySwitches: 7, InvoluntarySwitches: 3}},
				Stages:    []result.Stage{{Hop: "terminator → web", Name: "write", P50: 0.1, P99: 0.5, Mean: 0.2, Count: 10}},
				Counters:  map[string]float64{"sheds": 1}, Events: []result.Event{{At: 0.5, Text: "restart"}},
			},
			{
				Scenario: "hello", Subject: result.Plain, Driver: "wrk", Loop: result.Closed, Round: 1, Duration: time.Second, Planned: 5, Sent: 5, Completed: 5, Rate: 5,
				Latency: result.FromDigest(result.Digest{Count: 5, P50: 1, P99: 2}),
			},
		},
	}
}

func TestRead_ReadsWhatWasWrittenThen(t *testing.T) {
	if *update {
		if err := result.WriteFile(golden, small(t)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := result.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small(t), got, equal); diff != "" {
		t.Errorf("the golden file says otherwise (-want +got):\n%s", diff)
	}
}

// The compressed bytes may change with the compressor; all else is the format.
func TestWrite_IsTheGoldenFormat(t *testing.T) {
	var got bytes.Buffer
	if err := result.Write(&got, small(t)); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withoutHDR(t, want), withoutHDR(t, got.Bytes())); diff != "" {
		t.Errorf("the format changed (-want +got); a field of another meaning needs a new Format:\n%s", diff)
	}
}

func withoutHDR(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if _, ok := v["hdr_us"]; ok {
				v["hdr_us"] = "…"
			}
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return v
}

func TestRead_IgnoresFieldsOfLaterOnes(t *testing.T) {
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(data), `"name":`, `"colour": {"of": ["the", "sky"]}, "name":`, 1)
	got, err := result.Read(strings.NewReader(more))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small(t), got, equal); diff != "" {
		t.Error(diff)
	}
}

func TestRead_Errors(t *testing.T) {
	run := `{"scenario":"s","subject":"x","driver":"d","loop":"open","round":1,"duration_ns":1,"rate":1`
	wide := hdrhistogram.New(1, 1<<50, 5)
	_ = wide.RecordValue(1)
	encoded, err := wide.EncodeV2()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in string
		want     error
		says     string
	}{
		{"empty", "", result.ErrNotReport, ""},
		{"text", "hello", result.ErrNotReport, "invalid character"},
		{"list", "[]", result.ErrNotReport, ""},
		{"other JSON", `{"a":1}`, result.ErrNotReport, `"format"`},
		{"no runs", `{"format":1}`, result.ErrNotReport, `"runs"`},
		{"newer", `{"format":2,"runs":[]}`, result.ErrNewer, "format 2, this one reads 1"},
		{"older", `{"format":0,"runs":[]}`, result.ErrOlder, "run the benchmark again"},
		{"other type", `{"format":1,"runs":[{"scenario":3}]}`, result.ErrInvalid, "scenario"},
		{"no loop", `{"format":1,"runs":[` + strings.Replace(run, `"open"`, `"half"`, 1) + `}]}`, result.ErrInvalid, `loop must be "open", "closed" or "idle", is "half"`},
		{"no subject", `{"format":1,"runs":[` + strings.Replace(run, `"x"`, `""`, 1) + `}]}`, result.ErrInvalid, "subject"},
		{"no round", `{"format":1,"runs":[` + strings.Replace(run, `"round":1`, `"round":0`, 1) + `}]}`, result.ErrInvalid, "round must be 1"},
		{"no duration", `{"format":1,"runs":[` + strings.Replace(run, `_ns":1`, `_ns":0`, 1) + `}]}`, result.ErrInvalid, "duration"},
		{"negative rate", `{"format":1,"runs":[` + strings.Replace(run, `"rate":1`, `"rate":-1`, 1) + `}]}`, result.ErrInvalid, "rate must be 0 or more, is -1"},
		{"no histogram", `{"format":1,"runs":[` + run + `,"latency":{"hdr_us":"HISTxx"}}]}`, result.ErrHistogram, ""},
		{"truncated histogram", `{"format":1,"runs":[` + run + `,"latency":{"hdr_us":"` + string(encoded[:24]) + `"}}]}`, result.ErrHistogram, ""},
		{"huge histogram", `{"format":1,"runs":[` + run + `,"latency":{"hdr_us":"` + string(encoded) + `"}}]}`, result.ErrHistogram, "5 digits"},
	} {
		_, err := result.Read(strings.NewReader(c.in))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %v with %q", c.name, err, c.want, c.says)
		}
	}
	if _, err := result.ReadFile("testdata/none.json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func TestWriteFile_LeavesNothingBehindWhenItFails(t *testing.T) {
	dir := t.TempDir()
	bad := small(t)
	bad.Runs[0].Round = 0
	name := filepath.Join(dir, "r.json")
	if err := result.WriteFile(name, bad); !errors.Is(err, result.ErrInvalid) {
		t.Errorf("an invalid report: %v", err)
	}
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := result.WriteFile(name, small(t)); err == nil {
		t.Error("wrote over a folder")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzRead(f *testing.F) {
	data, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1,"runs":[]}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := result.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		// What can be read can be summed up, and written again.
		for _, s := range result.Summarize(rep.Runs) {
			_ = s.Rate.Spread()
		}
		var buf bytes.Buffer
		if err := result.Write(&buf, rep); err != nil {
			t.Fatalf("read, but can't be written: %v", err)
		}
		again, err := result.Read(&buf)
		if err != nil {
			t.Fatalf("written, but can't be read: %v", err)
		}
		if len(again.Runs) != len(rep.Runs) {
			t.Fatalf("%d runs became %d", len(rep.Runs), len(again.Runs))
		}
	})
}
