// Package wire is the protocol of the bus as bytes: frames, what is in them,
// and the proofs of a shared secret. docs/protocol.md specifies it, and
// testdata has golden vectors for implementations in other languages.
//
// It knows no sockets, no clock and no state: package nanobus decides what a frame means for a
// link. Decoded values alias the bytes that they were decoded from.
package wire
