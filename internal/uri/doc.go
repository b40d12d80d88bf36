// Package uri has the parts of RFC 3986 that requests and routes share: which bytes are allowed
// where, hosts, and the normal form of a path. Routes are matched byte by byte, so one function
// must bring both to the same form.
package uri
