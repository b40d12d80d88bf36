//go:build race

package handlers_test

// raceEnabled: the race detector allocates, and makes sync.Pool forget.
const raceEnabled = true
