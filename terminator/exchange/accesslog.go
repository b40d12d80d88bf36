package exchange

import (
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

// AccessLog says what is logged of requests when they are over.
type AccessLog struct {
	Rate   int           // lines per second at most; 0 or less: none
	Slower time.Duration // requests that take longer have a line of their own, up to slowLines a second; 0: none
	// To is where the lines go, one with each Write, which must not block; nil: the front's log.
	To       io.Writer
	Combined bool // as the combined log of other servers, and not JSON; To must be set
}

// slowLines is how many lines slow requests have in a second at most.
const slowLines = 100

// accessLog writes a line for a request when it is over: for all of a quiet system, for a sample of
// a busy one. The writer never blocks (package logging).
type accessLog struct {
	log      zerolog.Logger
	combined io.Writer // nil: JSON to log

	sampled, slow lineRate
	slower        time.Duration
}

func newAccessLog(log zerolog.Logger, o AccessLog) *accessLog {
	a := &accessLog{log: log, sampled: lineRate{rate: int64(max(o.Rate, 0))}, slower: o.Slower}
	if o.Slower > 0 {
		a.slow.rate = slowLines
	} else {
		a.slower = math.MaxInt64
	}
	if o.To != nil {
		a.log = log.Output(o.To).Level(zerolog.InfoLevel)
		if o.Combined {
			a.combined = o.To
		}
	}
	return a
}

// finished writes a line for a request that has ended, if it is to have one. size is how many bytes
// of the body the system has taken.
func (a *accessLog) finished(x *Exchange, size int64, now time.Duration, end End) {
	slow := now-x.began() > a.slower
	rate := &a.sampled
	if slow {
		rate = &a.slow
	}
	stands, ok := rate.wants(now)
	if !ok {
		return
	}
	if a.combined != nil {
		a.writeCombined(x, size, now, end, slow, stands)
		return
	}
	a.write(x, size, now, end, slow, stands)
}

// lineRate lets through so many lines per second. Each stands for all requests since the one
// before.
type lineRate struct {
	rate int64 // lines per second; 0: none

	// The second, of bus time, and how many lines were written in it: in one
	// word, so that no line is counted in a second that has passed.
	second atomic.Uint64
	seen   atomic.Int64 // requests since the last line
}

// wants reports whether a line is to be written at bus time now, and for how
// many requests it will stand.
func (a *lineRate) wants(now time.Duration) (int64, bool) {
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

// write writes a line as JSON.
func (a *accessLog) write(x *Exchange, size int64, now time.Duration, end End, slow bool, stands int64) {
	scratch := scratches.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	method, rest := plain(x.msg.Method, (*scratch)[:0])
	path, rest := plain(x.path(), rest)
	e := a.log.Info().
		Bytes(logging.AccessMethod, method).
		Bytes(logging.AccessPath, path).
		Int(logging.AccessStatus, x.Response.Status).
		Int64(logging.AccessSize, size).
		Bytes(logging.AccessClient, x.client()).
		Bytes(logging.RequestID, x.requestID).
		Stringer(logging.AccessEnd, end)
	*scratch = rest[:0]
	scratches.Put(scratch)
	if id := x.traceID(); id != nil {
		e.Bytes(logging.TraceID, id)
	}
	what, who := x.blame(end)
	if who != causeNone {
		e.Str(logging.AccessCause, string(who))
	}
	if what != "" {
		e.Str(logging.AccessError, what)
	}
	if x.up != nil {
		e.Str(logging.AccessRoute, x.up.route).Str(logging.AccessService, x.up.service.Name())
	}
	if x.instance != "" {
		e.Str(logging.AccessInstance, x.instance)
		if x.version != "" {
			version, _ := plain([]byte(x.version), nil) // a handler's own free text
			e.Bytes(logging.AccessVersion, version)
		}
	}
	if x.tries > 1 && !x.streams {
		e.Int(logging.AccessTries, x.tries)
	}
	s := x.stagesUntil(now)
	e.Float64(logging.AccessRead, millis(s.read))
	if s.reached {
		e.Float64(logging.AccessQueue, millis(s.queue)).
			Float64(logging.AccessBusOut, millis(s.busOut)).
			Float64(logging.AccessHandlerQueue, millis(s.handlerQueue)).
			Float64(logging.AccessHandler, millis(s.handler)).
			Float64(logging.AccessBusBack, millis(s.busBack))
		if s.held != 0 {
			e.Float64(logging.AccessHeld, millis(s.held))
		}
		e.Float64(logging.AccessWrite, millis(s.write))
	}
	e.Float64(logging.AccessTotal, millis(now-x.began()))
	if slow {
		e.Bool(logging.AccessSlow, true)
	}
	e.Int64(logging.AccessStands, stands).Msg(logging.AccessMessage)
}

// millis is a duration in ms, to the µs.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// scratches are for what is escaped, and for lines.
var scratches = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// client is who asked, as far as that is known.
func (x *Exchange) client() []byte {
	if x.msg.Client != nil {
		return x.msg.Client
	}
	return x.peer.Text // refused before anybody asked who it is
}

// path is what may be logged of the target: no query, and no name and password of an absolute one,
// which are there as long as the target wasn't brought to its form.
func (x *Exchange) path() []byte { return pathOf(x.msg.Path) }

func pathOf(target []byte) []byte {
	for i, c := range target {
		if c == '?' || c == '#' {
			target = target[:i]
			break
		}
	}
	if len(target) == 0 || target[0] == '/' || target[0] == '*' {
		return target
	}
	slashes := 0
	for i, c := range target {
		if c == '/' || c == '\\' {
			if slashes++; slashes == 3 {
				return target[i:]
			}
		}
	}
	return nil
}

// plain is what a client has sent as it is shown: as it is if it is printable ASCII, else with the
// other bytes percent-encoded, which means the same in a path and does nothing to a terminal. It
// may lie in scratch, whose rest is returned.
func plain(b, scratch []byte) (shown, rest []byte) {
	clean := true
	for _, c := range b {
		clean = clean && c > ' ' && c < 0x7f
	}
	if clean {
		return b, scratch
	}
	at := len(scratch)
	for _, c := range b {
		if c > ' ' && c < 0x7f {
			scratch = append(scratch, c)
		} else {
			scratch = appendPercent(scratch, c)
		}
	}
	return scratch[at:len(scratch):len(scratch)], scratch
}

// appendPercent appends c as %XX.
func appendPercent(b []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}
