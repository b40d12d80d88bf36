// Package tlsfiles reads certificates, keys and authorities from files, and
// reads them again when they change, so that a renewed certificate takes no
// restart. Files are looked at when a connection is made, once a
// second at most; a connection that is open keeps what it was made with.
package tlsfiles
