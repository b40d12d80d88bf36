// Package status is nanofront status: who is alive, and how they are doing, as
// their admin ports and the links between them say.
package status
