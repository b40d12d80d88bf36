package logging

import (
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/terminal"
)

// flushTimeout bounds Close when nobody reads the other end of a pipe.
const flushTimeout = time.Second

// Levels and Formats are what Options take.
var (
	Levels  = []string{"debug", "info", "warn", "error", "off"}
	Formats = []string{"auto", "json", "console"}
)

var (
	// ErrOptions tells that options are not valid.
	ErrOptions = errors.New("logging: invalid options")
	// ErrNotFlushed tells that Close gave up waiting for the last lines.
	ErrNotFlushed = errors.New("logging: the last lines could not be written in time")
)

func init() {
	// zerolog has this for the whole process only.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
}

// Adder counts; a *metrics.Counter is one.
type Adder interface{ Add(n uint64) }

// Options are how to log. The zero value is JSON from level info on to
// standard error, or its readable form if that is a terminal.
type Options struct {
	// Level is the least that is logged, one of Levels; empty is "info".
	Level string
	// Format is one of Formats; empty is "auto": "console" if Out is a
	// terminal, else "json".
	Format string
	// Out is where lines go; nil is standard error. It isn't closed.
	Out io.Writer
	// Dropped counts lines that were dropped; may be nil.
	Dropped Adder
}

// Log is the process' log. It owns one goroutine, from New to Close.
type Log struct {
	logger  zerolog.Logger
	ring    *ring
	dropped Adder

	close    sync.Once
	closeErr error
}

// New makes a Log. Its error wraps [ErrOptions] and names the flag.
func New(o Options) (*Log, error) {
	level, err := parseLevel(o.Level)
	if err != nil {
		return nil, err
	}
	l := &Log{dropped: o.Dropped}
	if l.dropped == nil {
		l.dropped = ignore{}
	}
	to := o.Out
	if to == nil {
		to = os.Stderr
	}
	var out io.Writer = &output{w: to, dropped: l.dropped}
	switch o.Format {
	case "", "auto":
		if terminal.Is(to) {
			out = console(out, to)
		}
	case "json":
	case "console":
		out = console(out, to)
	default:
		return nil, fmt.Errorf("%w: --log-format: %q is not one of %s", ErrOptions, o.Format, strings.Join(Formats, ", "))
	}
	l.ring = newRing(out, l.dropped)
	l.logger = zerolog.New(l.ring).Level(level).With().Timestamp().Logger()
	return l, nil
}

// Logger is where to log to. After Close, what is logged to it is lost.
func (l *Log) Logger() zerolog.Logger { return l.logger }

// Writer takes lines that are whole already, one with each Write. It never blocks, and may be used
// from any goroutine.
func (l *Log) Writer() io.Writer { return l.ring }

// TakeStandard makes what libraries write to the standard library's log lines
// of this log, as warnings; what they say with its Fatal is an error, and written
// before the process ends. It changes the whole process.
func (l *Log) TakeStandard() {
	stdlog.SetFlags(0)
	stdlog.SetPrefix("")
	stdlog.SetOutput(standard{l})
}

// Close writes what is left and ends the log. It waits for that at most 1 s, and
// returns ErrNotFlushed if it took longer. It may be called again.
func (l *Log) Close() error {
	l.close.Do(func() {
		done := make(chan error, 1)
		// Ends when the writer does; if that hangs, so does this, until the
		// process ends.
		go func() { done <- l.ring.Close() }()
		timeout := time.NewTimer(flushTimeout)
		defer timeout.Stop()
		select {
		case l.closeErr = <-done:
		case <-timeout.C:
			l.closeErr = ErrNotFlushed
		}
	})
	return l.closeErr
}

func parseLevel(s string) (zerolog.Level, error) {
	switch s {
	case "debug":
		return zerolog.DebugLevel, nil
	case "", "info":
		return zerolog.InfoLevel, nil
	case "warn":
		return zerolog.WarnLevel, nil
	case "error":
		return zerolog.ErrorLevel, nil
	case "off":
		return zerolog.Disabled, nil
	}
	return 0, fmt.Errorf("%w: --log-level: %q is not one of %s", ErrOptions, s, strings.Join(Levels, ", "))
}

// console writes to out lines as they fit what out ends at.
func console(out, on io.Writer) io.Writer {
	c := &Console{Colours: terminal.Colours(on), Hide: []string{Program, Instance}}
	if terminal.Is(on) {
		c.Width = func() int { return terminal.Width(on) }
	}
	return consoleWriter{out, c}
}

// output is where lines go at last, one with each Write. The ring would close its writer, and what
// is below isn't ours: output has no Close.
type output struct {
	w       io.Writer
	dropped Adder
	torn    bool // the last line was begun and not ended, as on a disk that was full
}

// Write implements io.Writer. What can't be written, since nobody reads the pipe any more or the
// disk is full, is dropped and counted, and the next line tried all the same: the reader may have a
// successor. The ring calls it from one goroutine.
func (o *output) Write(p []byte) (int, error) {
	if o.torn {
		if _, err := o.w.Write([]byte{'\n'}); err != nil {
			o.dropped.Add(1)
			return 0, err
		}
		o.torn = false
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.dropped.Add(1)
		o.torn = n > 0
	}
	return n, err
}

type ignore struct{}

func (ignore) Add(uint64) {}

// standard takes lines of the standard library's log.
type standard struct{ l *Log }

func (s standard) Write(p []byte) (int, error) {
	line := strings.TrimRight(string(p), "\n")
	if isFatal() {
		// The process ends when this returns, and what is in the ring with it.
		s.l.logger.Error().Msg(line)
		return len(p), s.l.Close()
	}
	s.l.logger.Warn().Msg(line)
	return len(p), nil
}

// isFatal reports whether a library has called the standard log's Fatal, Fatalf or Fatalln.
func isFatal() bool {
	var callers [8]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "log.Fatal") || strings.HasPrefix(f.Function, "log.(*Logger).Fatal") {
			return true
		}
		if !more {
			return false
		}
	}
}
