//go:build unix && !linux

package system

// readUsage: there is no /proc to ask.
func readUsage(int) Usage { return Usage{} }

// ResetPeak is for Linux.
func (p *Process) ResetPeak() {}

// machineCPU is for Linux.
func machineCPU() float64 { return 0 }
