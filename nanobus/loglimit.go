package nanobus

import (
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

// logInterval is how often a line of one kind is logged at most. What is left
// out is counted, and said in a line of its own at the interval's end.
const logInterval = time.Second

// reporter says and counts what has gone wrong.
type reporter struct {
	log     zerolog.Logger
	limit   *logging.Limiter
	metrics *busMetrics
}

func newReporter(o *Options) reporter {
	return reporter{log: o.Logger, limit: logging.NewLimiter(o.Logger, 1, logInterval), metrics: newBusMetrics(o.Metrics)}
}

// warn begins a warning that a peer can bring about as often as it likes. It
// returns nil, on which an event's methods do nothing, when there was one of
// the kind a moment ago.
func (r *reporter) warn(kind string) *zerolog.Event {
	if !r.limit.Allow(kind) {
		return nil
	}
	return r.log.Warn()
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
