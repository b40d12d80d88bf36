// Package supervisor runs programs as child processes: it starts them in
// order, prefixes what they print, starts one that dies again, and ends them
// in order, so that nothing is left behind.
package supervisor
