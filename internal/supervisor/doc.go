// Package supervisor runs programs as child processes: it starts them in order, prefixes their
// output, restarts those that die, and ends them in order, so that nothing is left behind.
package supervisor
