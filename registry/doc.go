// Package registry defines what nanofront's parts know of the system as a whole: which instances of
// which services are alive, and which routes are in force. It is only data and its validation: the
// packages that find instances (etcd, registry/static) and those that use them (terminator,
// handlers) share it without knowing each other.
package registry
