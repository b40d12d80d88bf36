// Package testutil is what tests of all packages need: waiting without sleeping
// for luck, programs that must be there, and skipping that is counted. Only tests
// import it. It imports next to nothing of this module, so that any may.
package testutil
