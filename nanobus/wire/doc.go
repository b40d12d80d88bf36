// Package wire is the protocol of the bus as bytes: frames, what is in them,
// and the proofs of a shared secret. docs/protocol.md specifies it, and
// testdata has golden vectors for implementations in other languages.
//
// It knows no sockets, no clock and no state: what a frame means for a link is
// for package nanobus to say. Decoders alias what they are given.
package wire
