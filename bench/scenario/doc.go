// Package scenario runs benchmarks: it starts the system and its peers, puts load on them round by
// round, and makes a report of what came out.
//
//	plan, err := scenario.Load("default")
//	rep, err := scenario.Run(ctx, plan, scenario.Options{Bin: "bin", Dir: dir})
//
// A scenario is a YAML file: what to start, what to ask, how to load. Those in scenarios/ are built
// in; any other is run by its path. A suite, in suites/, is a list of scenarios with what differs.
//
// # Rounds
//
// Machines have better and worse minutes. So what is to be compared runs in turns, A B C A B C, and
// figures are medians over the rounds. Scenarios that follow each other in a plan and have as many
// rounds are taken together. For each turn the subject is started anew and ended after it: nothing
// idles beside who is measured, and the spread over the rounds has in it what differs from start to
// start.
//
// Before what is counted comes the same load as a warm-up, after which the processes' CPU time is
// read.
package scenario
