// Package system starts what a benchmark measures, as processes of this machine, and measures what
// they use.
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
// The processes are those of a group, see [process.Group]: nothing is left behind.
package system
