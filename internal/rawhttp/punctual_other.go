//go:build !linux

package rawhttp

// Punctual makes waits of the calling thread end on time where the system knows how to.
func Punctual() {}
