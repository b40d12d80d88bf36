// Package bus is nanofront bus: [Tap] listens in on instances as tcpdump does on
// a network, [Call] sends requests straight to a handler. Both find instances by
// discovery and reach them over the bus.
//
// Pitfall: what comes out of requests and responses was written by clients. It
// goes to a terminal through printable, which leaves no control character.
package bus
