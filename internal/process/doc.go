// Package process runs programs as child processes, in whatever order their owner wants, and tells
// what they use.
//
//	g := process.NewGroup(os.Environ)
//	defer g.Stop()
//	p, err := g.Start(process.Spec{Name: "web-1", Path: "bin/handler", Args: []string{"web"}})
//
// # Nothing is left behind
//
// A [Group] owns its processes. Stop tells them to end in the reverse order of their start, and
// kills those that don't. Each is in a process group of its own, so that ctrl-C reaches it through
// its owner only, and which is killed as a whole, so that workers of a server die with it; and on
// Linux the kernel ends them when their owner dies without a word.
//
// They stay in their owner's session: with kernel.sched_autogroup_enabled Linux divides the CPU
// between sessions first, and a load generator in another one than the system would get half of the
// machine whatever the system needs.
package process
