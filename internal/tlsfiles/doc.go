// Package tlsfiles reads certificates, keys and authorities from files, and
// reads them again when they change: whoever renews a certificate need not
// restart what uses it. Files are looked at when a connection is made, once a
// second at most; a connection that is open keeps what it was made with.
package tlsfiles
