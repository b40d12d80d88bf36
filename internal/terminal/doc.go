// Package terminal describes where the programs' output goes: whether it is a terminal,
// how wide it is, and whether it may have colours. It also formats tables and
// wrapped text.
package terminal
