// Package up is nanofront up: the whole system on one machine, a process for each
// of its parts, started in order, looked after, and ended clients first.
package up
