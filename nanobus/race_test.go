//go:build race

package nanobus

const raceEnabled = true
