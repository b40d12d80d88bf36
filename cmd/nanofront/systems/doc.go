// Package systems is nanofront context: names for systems, so that no command needs the flags that
// address one.
package systems
