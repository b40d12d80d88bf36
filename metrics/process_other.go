//go:build !unix

package metrics

// cpuSeconds isn't known here; the gauge is left out.
func cpuSeconds() (float64, bool) { return 0, false }
