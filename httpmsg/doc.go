// Package httpmsg is an HTTP request or response as the payload of a bus
// frame. docs/protocol.md, "HTTP payload", specifies the bytes; nothing here
// knows the bus.
//
// Decoding copies nothing: the fields alias the bytes that were decoded. Encoding appends to the
// caller's buffer, so a request gets from the HTTP parser to the socket with one copy.
package httpmsg
