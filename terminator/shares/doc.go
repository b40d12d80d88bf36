// Package shares decides which of several a request gets, so that each gets its share: versions of a
// service, or variants of an experiment. It does no I/O, has
// no clock, and takes no locks.
package shares
