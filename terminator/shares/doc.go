// Package shares decides which of several a request gets, so that each gets its share: versions of a
// service, or variants of an experiment. It is pure: no I/O, no clock, no locks.
package shares
