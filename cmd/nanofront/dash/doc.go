// Package dash is nanofront dash: it watches all processes of a system, and shows on a page how
// they are doing, what is wrong, and what changed before.
package dash
