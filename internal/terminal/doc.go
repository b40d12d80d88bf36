// Package terminal is what the programs know of where their output goes:
// whether somebody looks at it, how wide it may be, whether it may have
// colours; and tables and wrapped text for it.
package terminal
