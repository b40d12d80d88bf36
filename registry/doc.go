// Package registry holds the words in which nanofront's parts speak of the
// system as a whole: which instances of which services are alive, and which
// routes hold. It is data with its validation, and nothing else: who finds
// the instances (package etcd, or a static file) and who uses them (the
// terminator, the handlers) meet here without knowing each other.
package registry
