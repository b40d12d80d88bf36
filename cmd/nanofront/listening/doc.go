// Package listening is what nanofront bus tap and nanofront record share: they listen in on the
// instances of a [Target], follow those that come and go, say which refuse or can't be reached, and
// count what was lost.
package listening
