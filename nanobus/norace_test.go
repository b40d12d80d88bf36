//go:build !race

package nanobus

const raceEnabled = false
