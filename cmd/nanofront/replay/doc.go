// Package replay is the command nanofront replay: it sends a recording's requests again, to a front,
// a service or an instance, and says which answers are other ones now.
package replay
