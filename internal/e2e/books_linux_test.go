package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	generator "nanofront/bench/load" // load is a type here
)

// TestBooks_SwitchesPerRequest: what a request wakes. Of the terminator's threads one wakes for the
// request and one for the answer, of the handler's one for the request; the runtime's monitor, and
// threads that look for work that isn't there, should not. A busy machine has more come at once,
// and may have threads wait for a core, so each time is judged by itself, and the best counts. With
// NANOFRONT_BENCH_FULL=1 the books are shown for higher rates, too.
func TestBooks_SwitchesPerRequest(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1") // of the handler, as nanofront up has it
	f := startFront(t, frontOptions{env: []string{"GOMAXPROCS=2"}})
	pids := map[string]int{"terminator": f.terminator.pid(), "echo": f.echo[0].pid()}
	most := map[string]float64{"terminator": 2.5, "echo": 1.5}
	const rate = 1000
	var pages []string
	ok := false
	for range 10 {
		counts, page := books(t, f.http, pids, rate)
		pages = append(pages, page)
		ok = true
		for name, n := range counts {
			ok = ok && n <= most[name]
		}
		if ok {
			break
		}
	}
	if !ok {
		t.Errorf("at %d requests a second, want at most %v switches of threads per request:\n%s", rate, most, strings.Join(pages, "\n"))
	}
	t.Log(pages[len(pages)-1])
	if full {
		for _, rate := range []float64{5000, 20000} {
			_, page := books(t, f.http, pids, rate)
			t.Log(page)
		}
	}
}

// books loads the front for 2 s, and returns how often the threads of each process went to sleep
// per request, all together and, as a text, one by one.
func books(t *testing.T, http string, pids map[string]int, rate float64) (map[string]float64, string) {
	t.Helper()
	before := map[string]map[string]used{}
	for name, pid := range pids {
		before[name] = threads(t, pid)
	}
	r, err := generator.Run(t.Context(), generator.Options{URL: "http://" + http + "/hello", Rate: rate, Connections: 32, Duration: 2 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK == 0 {
		t.Fatalf("no request of %d was answered", r.Sent)
	}
	counts := map[string]float64{}
	page := fmt.Sprintf("%.0f/s, %d of %d answered:", rate, r.OK, r.Planned)
	for _, name := range slices.Sorted(maps.Keys(pids)) {
		var each []float64
		for id, now := range threads(t, pids[name]) {
			n := float64(now.switches-before[name][id].switches) / float64(r.OK)
			counts[name] += n
			if n >= 0.005 {
				each = append(each, n)
			}
		}
		slices.Sort(each)
		slices.Reverse(each)
		page += fmt.Sprintf(" %s %.2f %.2f", name, counts[name], each)
	}
	return counts, page
}
