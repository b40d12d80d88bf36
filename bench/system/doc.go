// Package system starts what a benchmark measures, as processes of this machine, and measures what they use.
//
//	n, err := system.StartNanofront(ctx, system.NanofrontOptions{Bin: "bin", Dir: dir, Echo: 1})
//	if err != nil {
//		return err
//	}
//	defer n.Stop()
//	before := n.Sample(ctx)
//	...load on n.URL...
//	processes, stages, counters := n.Sample(ctx).Since(before)
//
// # Nothing is left behind
//
// A [Group] owns its processes. Stop tells them to end in the reverse order of their start, and kills
// those that don't. Each is in a process group of its own, which is killed as a whole, so that workers
// of a server die with it; and on Linux the kernel ends them when the benchmark dies without a word.
//
// They stay in the benchmark's session: with kernel.sched_autogroup_enabled Linux divides the CPU between sessions
// first, and a load generator in another one than the system would get half of the machine whatever
// the system needs.
package system
