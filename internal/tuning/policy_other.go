//go:build !linux

package tuning

// batchPolicy is for Linux.
func batchPolicy() {}
