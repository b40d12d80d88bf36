package profile

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
)

// flushPatience is how long no memtable could be flushed until the store is
// declared failed: Pebble tries again at once and for ever, and writes then
// wait for room that doesn't come.
const flushPatience = 10 * time.Second

// pebbleLog is where Pebble says what it has to say.
type pebbleLog struct {
	log     zerolog.Logger
	fail    func(error)
	now     func() time.Time
	damaged *metrics.Counter
	limit   *logging.Limiter

	// serving is false while the store is opened, seeded and closed: whoever
	// does that ends with it, and says why.
	serving atomic.Bool
	failed  atomic.Bool
	// unflushed is since when no memtable could be flushed, in Unix
	// nanoseconds; 0: the last could.
	unflushed atomic.Int64
}

func newPebbleLog(log zerolog.Logger, damaged *metrics.Counter, fail func(error)) *pebbleLog {
	return &pebbleLog{log: log, fail: fail, now: time.Now, damaged: damaged, limit: logging.NewLimiter(log, 5, time.Minute)}
}

func (l *pebbleLog) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: l.background,
		DataCorruption:  l.corruption,
		FlushEnd:        l.flushed,
	}
}

// Infof implements pebble.Logger. Flushes and compactions are nobody's news.
func (l *pebbleLog) Infof(format string, args ...any) {
	l.log.Debug().Str("component", "pebble").Msgf(format, args...)
}

// Errorf implements pebble.Logger. What follows a failure is no news either.
func (l *pebbleLog) Errorf(format string, args ...any) {
	if !l.failed.Load() && l.limit.Allow("pebble") {
		l.log.Error().Str("component", "pebble").Msgf(format, args...)
	}
}

// Fatalf implements pebble.Logger. It must not return: Pebble calls it where
// it can't go on, as when its log can't be written, possibly with its locks
// held. Ending the process here would cut off the requests that only read, so
// the store is declared failed and this goroutine ends; the role then ends in
// order, without closing the store. The main goroutine must therefore never
// call what may write (PebbleStore.attempt).
func (l *pebbleLog) Fatalf(format string, args ...any) {
	e := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.cause = err
		}
	}
	l.giveUp(e)
	runtime.Goexit()
}

// giveUp declares the store failed. That is known before its logs pretend to be
// written (logFile), else an update could be acknowledged that is nowhere.
func (l *pebbleLog) giveUp(err error) {
	l.fail(err)
	if !l.failed.Swap(true) && l.serving.Load() {
		l.log.Error().Err(err).Str("component", "pebble").Msg("the store can't continue, so the process ends; restarted, it recovers all acknowledged writes")
	}
}

func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", p)
}

// fatalError is what Fatalf was told.
type fatalError struct {
	text  string
	cause error // among the arguments; may be nil
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }

// background notes that a flush or compaction failed; Pebble tries it again.
func (l *pebbleLog) background(err error) {
	l.Errorf("in the background: %v", shortError{err})
}

// corruption notes a block or file that is not as it was written. Whoever reads it
// gets an error, and only that reader: the default would be Fatalf.
func (l *pebbleLog) corruption(info pebble.DataCorruptionInfo) {
	l.damaged.Inc()
	if l.limit.Allow("damaged") {
		l.log.Error().Err(shortError{info.Details}).Str("file", info.Path).Str("component", "pebble").
			Msg("a part of the store is damaged: what is in it is answered with 500, everything else is served; restore the directory from a backup")
	}
}

// flushed watches whether memtables reach the disk.
func (l *pebbleLog) flushed(info pebble.FlushInfo) {
	if info.Err == nil || strings.Contains(info.Err.Error(), "empty table") { // Pebble's way to say that all is well, and nothing was left
		l.unflushed.Store(0)
		return
	}
	now := l.now().UnixNano()
	l.unflushed.CompareAndSwap(0, now)
	if !l.serving.Load() || time.Duration(now-l.unflushed.Load()) > flushPatience {
		l.giveUp(fmt.Errorf("flushing: %w", info.Err))
	}
}

// serves says that the store has been opened and filled.
func (s *PebbleStore) serves() { s.log.serving.Store(true) }

// attempt runs f, which opens, fills or closes the store, and returns its
// error, or why the store has failed: f may then never return.
func (s *PebbleStore) attempt(f func() error) error {
	var err error
	done := make(chan struct{})
	go func() { // ends with f, or in the middle of it (pebbleLog.Fatalf)
		defer close(done)
		defer func() {
			// Files that are damaged may be more than Pebble expects. What it
			// holds then, nobody knows.
			if p := recover(); p != nil {
				s.log.giveUp(panicked(p))
			}
		}()
		err = f()
	}()
	select {
	case <-done:
	case <-s.failed:
	}
	select {
	case <-s.failed:
		// What f has opened is given a moment to be closed again.
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
		return s.Err()
	default:
		return err
	}
}
