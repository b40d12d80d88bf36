// Package registry defines what nanofront's parts know of the system as a whole: which
// instances of which services are alive, and which routes are in force. It is
// data with its validation, and nothing else: what finds the instances (package
// etcd, or a static file) and what uses them (the terminator, the handlers) share
// it without knowing each other.
package registry
