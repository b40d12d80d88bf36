// Package status is nanofront status: which processes are alive, and how they are doing, according
// to their admin ports and the links between them.
package status
