package dashboards

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// What docs/operations.md says that a process costs: series, and bytes of lines in a flush.
const (
	seriesOfFront   = 260   // with one service of one route
	seriesOfService = 20    // one more, with two goals
	seriesOfRoute   = 5     // one more, with two goals
	seriesOfVersion = 11    // that the routes document names, of a service
	bytesOfFront    = 60e3  // in a flush of 10 s, busy
	filesPerCounter = 2     // of the reference server: .count and .rate
	bytesPerFile    = 302e3 // with deploy/graphite/storage-schemas.conf
)

// names are the series that a metric has for each set of details.
func names(d *metrics.Desc) int {
	switch {
	case d.Local():
		return 0
	case d.Kind == metrics.KindTimer:
		return 6
	case strings.HasSuffix(d.Name, "<goal>"):
		return 2
	}
	return 1
}

func TestBudget_OfServicesAndRoutes(t *testing.T) {
	var service, route, version int
	for _, d := range metrics.Catalogue() {
		switch {
		case strings.Contains(d.Name, "<version>"):
			version += names(d)
		case slices.Contains(d.Programs, metrics.System): // no front's: see docs/operations.md
		case hasService(d):
			service += names(d)
		case strings.HasPrefix(d.Name, "route."):
			route += names(d)
		}
	}
	t.Logf("%d series of a service, %d of a route", service, route)
	if version > seriesOfVersion {
		t.Errorf("%d series of a version, want %d at most", version, seriesOfVersion)
	}
	if service > seriesOfService || route > seriesOfRoute {
		t.Errorf("%d series of a service and %d of a route, want %d and %d at most", service, route, seriesOfService, seriesOfRoute)
	}
}

func TestBudget_OfAFront(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	series, bytes, received := map[string]bool{}, 0, 0
	testutil.Start(t, "a StatsD server", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		buf := make([]byte, 1<<16)
		for {
			n, _, err := server.ReadFrom(buf)
			if err != nil {
				return nil
			}
			mu.Lock()
			bytes += n
			for line := range strings.SplitSeq(string(buf[:n]), "\n") {
				name, _, _ := strings.Cut(line, ":")
				series[name] = true
				received++
			}
			mu.Unlock()
		}
	})
	front, set := loadedFront(t, server.LocalAddr().String())
	lines := set.Counter(metrics.StatsdSent)
	for range 20 {
		resp, err := http.Get(front + "/1")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	// Ten reports, of which five are a flush.
	testutil.Eventually(t, "ten reports", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return series["nanofront.terminator.front-1.upstream.work.latency.p99"] && lines.Value() > 1000
	})
	mu.Lock()
	defer mu.Unlock()
	perLine := float64(bytes) / float64(received)
	perFlush := perLine * float64(len(series)) * 4 // gauges in each of five reports, most counters in half of them
	t.Logf("%d series, %.0f bytes a line, some %.0f bytes in a flush", len(series), perLine, perFlush)
	if len(series) > seriesOfFront || perFlush > bytesOfFront {
		t.Errorf("%d series and %.0f bytes in a flush, want %d and %.0f at most", len(series), perFlush, seriesOfFront, float64(bytesOfFront))
	}
}
