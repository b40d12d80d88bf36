// Package up is nanofront up: the whole system on one machine, with a process for each part,
// started in order, supervised, and ended clients first.
package up
