//go:build !race

package terminator

// raceEnabled: the race detector allocates, and makes sync.Pool forget.
const raceEnabled = false
