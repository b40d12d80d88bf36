// Package testutil has what tests of all packages need: waiting for conditions, finding programs
// that a test needs, and counted skips. Only tests import it. It imports next to nothing of this
// module, so that any may.
package testutil
