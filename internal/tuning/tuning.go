// Package tuning sets the Go runtime and the process up for answering
// requests: memory is cheaper than the garbage collector's time, and a batch
// cheaper than a quick start on each message.
package tuning

import (
	"os"
	"runtime/debug"
)

const (
	// gcPercent lets the heap grow to five times what is live. The live heap
	// of these programs is small, so what that costs is some tens of MB.
	gcPercent = 400

	// memoryLimit makes the collector work harder before the heap gets large
	// for a machine, whatever gcPercent says.
	memoryLimit = 2 << 30
)

// Apply sets it, unless GOGC or GOMEMLIMIT say otherwise. It is to be called
// early, before there are many threads.
func Apply() {
	batchPolicy()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Within makes the collector keep the process' memory under so many bytes while there is less
// than that to keep, in place of the limit of Apply, unless GOMEMLIMIT says otherwise.
func Within(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
