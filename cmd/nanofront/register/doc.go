// Package register keeps a process registered that knows nothing of discovery: any handler that
// listens on the bus, in any language. It starts the handler as its child if it is given a
// command, waits until it answers, registers it, and in the end takes the registration back
// before the handler is told to drain.
package register
