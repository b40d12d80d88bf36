package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"nanofront/bench/result"
	"nanofront/internal/wholefile"
)

// hgrmTicks is how many lines a file has for each halving of the share that is slower.
const hgrmTicks = 5

// Percentiles writes the latencies of each run in the percentile format of HdrHistogram (.hgrm), in
// milliseconds, into a folder that it makes if need be, and returns the names of the files. Runs
// whose driver doesn't tell the whole distribution have none.
func Percentiles(dir string, rep *result.Report) ([]string, error) {
	var files []string
	names := make(map[string]int)
	for i := range rep.Runs {
		r := &rep.Runs[i]
		h := r.Latency.HDR()
		if h == nil {
			continue
		}
		if len(files) == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, fmt.Errorf("report: %w", err)
			}
		}
		name := unique(names, r.Scenario+" "+r.Subject+" "+r.Driver+" "+r.Loop+" "+r.Step+" "+strconv.Itoa(r.Round)) + ".hgrm"
		if err := wholefile.Write(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := h.PercentilesPrint(w, hgrmTicks, 1000)
			return err
		}); err != nil {
			return files, fmt.Errorf("report: %w", err)
		}
		files = append(files, filepath.Join(dir, name))
	}
	return files, nil
}
