// Package weights is nanofront drain, undrain and weight: an operator takes a process out of the
// traffic, or gives an instance another share of it, for as long as the process lives.
package weights
