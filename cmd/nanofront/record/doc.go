// Package record is nanofront record: it makes a recording of a share of the traffic, as the
// instances' taps copy it, and lists and removes recordings. What may be in one, and its bytes, are
// those of package recording.
package record
