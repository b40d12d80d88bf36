//go:build !linux

package load

func threadUsage() float64 { return 0 }
