// Package metrics counts what nanofront's programs do, and reports it: as
// JSON on the admin port, and to StatsD.
//
// What can be counted is listed in one place, catalogue.go: each metric is a
// variable there, with its name, unit and meaning. A program makes one [Set],
// takes handles from it once, and keeps them:
//
//	set := metrics.New(metrics.Terminator, "t1")
//	go set.Run(ctx)
//	requests := set.Counter(metrics.HTTPRequests)
//	failed := set.Counter(metrics.HTTPStatus, "5xx")
//	total := set.Timer(metrics.StageTotal)
//	...
//	requests.Inc()
//	total.Observe(time.Since(start))
//
// Handles cost a few nanoseconds, allocate nothing and take no lock; they may
// be used from any goroutine. Looking a handle up takes a lock: don't do it
// once per request.
//
// Pitfalls: the details that fill the placeholders of a name must be of low cardinality (a service,
// a class of status, a reason; never an id). A metric has at most [MaxSeries] series; any further
// ones share one that is called "other". Asking for a metric by the wrong kind, or with the wrong
// number of details, is a programming error and panics.
package metrics

//go:generate go run ./gen ../docs/metrics.md
