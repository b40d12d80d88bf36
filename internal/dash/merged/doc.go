// Package merged makes figures of all processes together, for StatsD: of each service the
// percentiles of all requests, which nobody can compute from those of single processes, and the
// share of them within each goal.
//
//	m := merged.New(merged.Options{System: "shop", Window: 14 * time.Second, Least: 0.9})
//	collector := collect.New(collect.Options{Merged: m.Take})
//	reporter, err := metrics.NewReporter(m.Set(), metrics.StatsdOptions{Addr: addr, May: leads})
//
// What isn't known is not a number, which a Reporter leaves out: a gap, not a 0. That is so where
// too few of the processes were heard, where nothing happened, and when nothing was taken lately.
package merged
