// Package bus is nanofront bus: [Tap] listens in on instances as tcpdump does on
// a network, [Call] sends requests straight to a handler. Both find instances by
// discovery and reach them over the bus.
//
// Pitfall: clients wrote what is in requests and responses. It goes to a terminal through
// terminal.Printable, which leaves no control characters.
package bus
