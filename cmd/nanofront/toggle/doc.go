// Package toggle is nanofront toggle: it shows toggles, changes several of them in one transaction,
// says what a request would get, and imports flagd's definitions.
package toggle
