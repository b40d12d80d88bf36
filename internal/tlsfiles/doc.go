// Package tlsfiles reads certificates, keys and authorities from files, and reads them again when
// they change, so that a renewed certificate needs no restart. Files are checked when a connection
// is made, at most once a second; open connections keep what they were made with.
package tlsfiles
