package profile

import (
	"fmt"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

// pebbleLog is where Pebble says what it has to say.
type pebbleLog struct {
	log   zerolog.Logger
	fail  func(error)
	limit *logging.Limiter
}

func newPebbleLog(log zerolog.Logger, fail func(error)) *pebbleLog {
	return &pebbleLog{log: log, fail: fail, limit: logging.NewLimiter(log, 5, time.Minute)}
}

// Infof implements pebble.Logger. Flushes and compactions are nobody's news.
func (l *pebbleLog) Infof(format string, args ...any) {
	l.log.Debug().Str("component", "pebble").Msgf(format, args...)
}

// Errorf implements pebble.Logger.
func (l *pebbleLog) Errorf(format string, args ...any) {
	if l.limit.Allow("pebble") {
		l.log.Error().Str("component", "pebble").Msgf(format, args...)
	}
}

// Fatalf implements pebble.Logger. It must not return: Pebble calls it where
// it can't go on, as when its log can't be written, possibly with its locks
// held. Ending the process here would cut off the requests that only read, so
// the store is declared failed and this goroutine ends; the role then ends in
// order, without closing the store.
func (l *pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.log.Error().Err(err).Str("component", "pebble").Msg("the store can't go on; the process ends, and recovers what was acknowledged when it is started again")
	l.fail(err)
	runtime.Goexit()
}

// background notes that a flush or compaction failed; Pebble tries it again.
func (l *pebbleLog) background(err error) {
	l.Errorf("in the background: %v", err)
}
