// Package prometheus shows a process' metrics as Prometheus reads them: at /metrics of each admin
// port, under names that Desc.Prometheus of package metrics gives.
//
//	base.Admin.Handle("/metrics", prometheus.Handler(set))
//
// All is read when it is asked for; nothing is counted twice, and nothing on a request's way knows
// of it. A timer is a classic histogram, cut at bounds of the timer's own buckets, so that each
// count is exact; whoever asks for protobuf gets a native histogram besides. Labels come from the
// routes document and from lists that are fixed, and a process has at most metrics.MaxProcessSeries
// series.
//
// Pitfall: le="0.025165823" is not 25 ms but the longest duration that a timer can't tell from it,
// up to 1.6 % more. How many requests are within exactly 25 ms is counted apart:
// nanofront_upstream_within_total{goal="25ms"}.
package prometheus
