// Package result is what a benchmark has measured: the model of a report, its file, and the
// statistics that everybody who reads one needs.
//
// A [Report] holds one [Run] for each subject, scenario, step and round. Nothing is averaged when
// it is written: medians, spreads and ratios are derived by [Summarize], so that a saved report can
// be drawn and compared anew.
//
//	rep, err := result.ReadFile("bench.json")
//	for _, s := range result.Summarize(rep.Runs) {
//		fmt.Println(s.Scenario, s.Subject, s.Rate.Median, s.Ratio.Median)
//	}
//
// # Pitfalls
//
// The latency of a closed loop isn't that of an open loop: a client that waits for each answer
// before it sends the next request doesn't see what a stall does to those who would have come
// meanwhile. [Run].Loop says which it was; don't compare across.
//
// A ratio to plain fasthttp is taken within one round, where both had the same machine in about
// the same minute. Medians of different rounds are never divided by each other.
package result
