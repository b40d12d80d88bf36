//go:build race

package profile

// raceEnabled: the detector makes sync.Pool drop things at random, so that
// allocations can't be counted.
const raceEnabled = true
