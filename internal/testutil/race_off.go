//go:build !race

package testutil

// Race tells whether this is built with the race detector.
const Race = false
