// Package uri has of RFC 3986 what requests and routes share: which bytes may stand where, hosts, and the normal form of
// a path. Routes are matched byte by byte, so the two have to be brought to one form by one function.
package uri
