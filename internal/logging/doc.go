// Package logging sets up the programs' logs: zerolog, one line for each event that a person would
// act on, as JSON, or readable on a terminal.
//
//	logs, err := logging.New(logging.Options{Level: "info"})
//	...
//	defer logs.Close()
//	log := logs.Logger().With().Str(logging.Program, "terminator").Logger()
//	log.Warn().Str(logging.Service, "web").Msg("no live instance")
//
// Logging never blocks: lines go through a ring, and when its writer is behind (a full pipe, a
// stopped terminal) the oldest are dropped, and counted. So are those that can't be written because
// the pipe's reader has gone or the disk is full. Events that can happen once per request go
// through a [Limiter].
//
// Pitfalls: under load a line appears up to 10 ms after it was logged, and the last lines only when
// Close is called. Names of fields come from fields.go.
package logging
