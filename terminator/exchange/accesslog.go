package exchange

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
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
	s := uint64(now/time.Second) << 32
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

// write writes one line. size is how many bytes of the body the system has taken.
func (a *accessLog) write(x *Exchange, status int, size int64, took time.Duration, end End, stands int64) {
	client := x.msg.Client
	if client == nil {
		client = x.peer.Text // refused before anybody asked who it is
	}
	e := a.log.Info().
		Bytes(logging.Method, x.msg.Method).
		Bytes(logging.Path, x.msg.Path).
		Int(logging.Status, status).
		Int64(logging.BytesOut, size).
		Dur(logging.Duration, took).
		Stringer(logging.End, end).
		Bytes(logging.Peer, client).
		Bytes(logging.RequestID, x.requestID)
	if x.instance != "" {
		e.Str(logging.Upstream, x.instance)
	}
	if x.reason != "" {
		e.Str(logging.Reason, x.reason)
	}
	if stands > 1 {
		e.Int64(logging.Count, stands)
	}
	e.Msg("access")
}
