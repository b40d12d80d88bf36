//go:build unix && !linux

package process

// readUsage: there is no /proc to ask.
func readUsage(int) Usage { return Usage{} }

// ResetPeak is for Linux.
func (p *Process) ResetPeak() {}

// MachineCPU is for Linux.
func MachineCPU() float64 { return 0 }
