// Package register keeps a process registered that knows nothing of discovery: any handler that
// listens on the bus, in any language. Given a command, it starts the handler as its child. It
// waits until the handler answers, registers it, and at the end withdraws the registration before
// it signals the handler to drain.
package register
