// Package sp carries messages between two processes over connections that speak SP with the BUS
// protocol's number: tcp, TLS on it, and Unix sockets. It knows nothing about the content of
// messages.
//
// The transports are wire-compatible with mangos' own tcp, ipc and tls+tcp,
// and differ in what happens around the wire:
//
//   - reads are buffered. The stock one makes three system calls for each
//     message (the 8-byte size by itself, the body, and the one that finds
//     nothing); here a whole burst costs one or two.
//   - connecting and the handshakes have a deadline, and so has every
//     write: a peer that stops reading costs its own connection, not a goroutine.
//   - nothing is allocated per message.
//   - over TLS a message is one record where it fits, not two.
//
// They are registered under schemes of their own, so that a process that also
// uses stock mangos sockets keeps the stock transports for those.
package sp
