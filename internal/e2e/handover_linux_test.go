package e2e

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	generator "nanofront/bench/load" // load is a type here
	"nanofront/internal/testutil"
)

// TestHandover_LosesNothing has one terminator after the other take over under load, on connections
// that are kept and on one for each request: no request fails, none is refused, and no connection
// that is kept is closed. With NANOFRONT_BENCH_FULL=1 it is thirty of them at 20,000 requests a
// second.
func TestHandover_LosesNothing(t *testing.T) {
	times, rate := 5, 400.0
	if full {
		times, rate = 30, 20_000
	}
	flags := []string{"--handover", filepath.Join(t.TempDir(), "handover")}
	f := startFront(t, frontOptions{echo: 2, terminator: flags})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	loads := []struct {
		name   string
		opt    generator.Options
		result *generator.Result
		err    error
	}{
		{name: "kept", opt: generator.Options{Rate: rate, Connections: 500}},
		{name: "a connection each", opt: generator.Options{Rate: rate / 10, Connections: 500, Churn: true}},
	}
	for i := range loads {
		l := &loads[i]
		l.opt.URL, l.opt.Arrivals, l.opt.Workers = "http://"+f.http+"/hello", generator.Poisson, 1
		l.opt.Duration, l.opt.Timeout = 10*time.Minute, testutil.Patience
		wg.Go(func() { l.result, l.err = generator.Run(ctx, l.opt, nil) })
	}
	now := f.terminator
	var inherited uint64
	for n := range times {
		heir := start(t, "terminator", append([]string{
			"--http", f.http, "--admin", f.admin, "--static", f.table, "--statsd", "", "--access-log=0",
		}, flags...)...)
		heir.says(t, "took over")
		if code := now.wait(t, testutil.Patience); code != 0 {
			t.Fatalf("predecessor %d: exit code %d\n%v", n, code, now)
		}
		now = heir
		inherited += counter(t, f.admin, "http.inherited")
		served := counter(t, f.admin, "http.requests")
		testutil.Eventually(t, "requests", func() bool { return counter(t, f.admin, "http.requests") > served+uint64(rate/10) })
	}
	cancel()
	wg.Wait()
	for i := range loads {
		l := &loads[i]
		if l.err != nil {
			t.Fatal(l.err)
		}
		r := l.result
		failed := r.Errors
		failed[generator.CauseAborted] = 0 // under way when the load was ended
		if failed.Total() > 0 || r.Reopened > 0 || r.OK == 0 {
			t.Errorf("%s: of %d requests failed %v: %v; %d connections were found closed", l.name, r.Sent, failed.Map(), r.Examples, r.Reopened)
		}
		t.Logf("%s: %d requests over %d connections, p99 %v", l.name, r.OK, r.Opened, time.Duration(r.Latency.ValueAtQuantile(99))*time.Microsecond)
	}
	t.Logf("%d connections were inherited in %d handovers", inherited, times)
}
