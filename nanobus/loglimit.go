package nanobus

import (
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

// logInterval is how often a line of one kind is logged at most. What is left
// out is counted, and said in a line of its own at the interval's end.
const logInterval = time.Second

func newLimiter(log zerolog.Logger) *logging.Limiter { return logging.NewLimiter(log, 1, logInterval) }

// warn begins a warning that a peer can bring about as often as it likes. It
// returns nil, on which an event's methods do nothing, when there was one of
// the kind a moment ago.
func (b *Bus) warn(kind string) *zerolog.Event {
	if !b.limit.Allow(kind) {
		return nil
	}
	return b.log.Warn()
}

// event begins a log line about what has become of the link. The caller is told
// at level info; the other end of the same link, and links for events alone,
// are for debugging.
func (l *Link) event(what string) *zerolog.Event {
	if l.instance == nil || l.instance.EventsOnly {
		return l.bus.log.Debug()
	}
	if !l.bus.limit.Allow(what + " " + l.instance.Service + "/" + l.instance.ID) {
		return nil
	}
	return l.bus.log.Info()
}
