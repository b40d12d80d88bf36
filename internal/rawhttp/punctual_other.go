//go:build !linux

package rawhttp

import "time"

// Punctual makes waits of the calling thread end on time where the system knows how to.
func Punctual() {}

// Sleep sleeps.
func Sleep(d time.Duration) { time.Sleep(d) }
