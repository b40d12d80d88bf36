package terminator

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/terminator/forwarded"
)

// accessLog writes at most so many lines per second: all requests of a quiet
// system, a sample of a busy one. Each line says for how many it stands. The
// logger's writer never blocks (package logging).
type accessLog struct {
	log  zerolog.Logger
	rate int64 // lines per second; 0: none

	// The second, of bus time, and how many lines were written in it: in one
	// word, so that no line is counted in a second that has passed.
	second atomic.Uint64
	seen   atomic.Int64 // requests since the last line
}

func newAccessLog(log zerolog.Logger, rate int) *accessLog {
	return &accessLog{log: log, rate: int64(max(rate, 0))}
}

// wants reports whether a line is to be written at bus time now, and for how
// many requests it will stand.
func (a *accessLog) wants(now time.Duration) (int64, bool) {
	if a.rate == 0 {
		return 0, false
	}
	a.seen.Add(1)
	s := uint64(now/time.Second) << 32 //nolint:gosec // not negative
	for {
		old := a.second.Load()
		line := max(old, s) + 1 // whoever comes with a time of the second before is of this one
		if int64(line&(1<<32-1)) > a.rate {
			return 0, false
		}
		if a.second.CompareAndSwap(old, line) {
			break
		}
	}
	return a.seen.Swap(0), true
}

// write writes one line. size is that of the body, -1 if unknown.
func (a *accessLog) write(f *flight, from *forwarded.Peer, status, size int, took time.Duration, stands int64) {
	client := f.msg.Client
	if client == nil && from != nil {
		client = from.Text // refused before anybody asked who it is
	}
	e := a.log.Info().
		Bytes(logging.Method, f.msg.Method).
		Bytes(logging.Path, f.msg.Path).
		Int(logging.Status, status).
		Int(logging.BytesOut, size).
		Dur(logging.Duration, took).
		Bytes(logging.Peer, client).
		Bytes(logging.RequestID, f.requestID)
	if f.instance != "" {
		e.Str(logging.Upstream, f.instance)
	}
	if stands > 1 {
		e.Int64(logging.Count, stands)
	}
	e.Msg("access")
}
