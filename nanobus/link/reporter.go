package link

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/metrics"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// logInterval is how often a line of one kind is logged at most. What is left
// out is counted, and said in a line of its own at the interval's end.
const logInterval = time.Second

// Reporter says and counts what has gone wrong.
type Reporter struct {
	Log     zerolog.Logger
	Limit   *logging.Limiter
	Metrics *busMetrics
}

// NewReporter makes a reporter that logs each kind of line once a second at most.
func NewReporter(log zerolog.Logger, m metrics.Meter) Reporter {
	return Reporter{Log: log, Limit: logging.NewLimiter(log, 1, logInterval), Metrics: newBusMetrics(m)}
}

// Warn begins a warning that a peer can bring about as often as it likes. It
// returns nil, on which an event's methods do nothing, when there was one of
// the kind a moment ago.
func (r *Reporter) Warn(kind string) *zerolog.Event {
	if !r.Limit.Allow(kind) {
		return nil
	}
	return r.Log.Warn()
}

// Event begins a log line about what has become of the link. The caller is told
// at level info; the other end of the same link, and links for events alone,
// are for debugging.
func (l *Link) Event(what string) *zerolog.Event {
	if l.Instance == nil || l.Instance.EventsOnly {
		return l.bus.Log.Debug()
	}
	if !l.bus.Limit.Allow(what + " " + l.Instance.Service + "/" + l.Instance.ID) {
		return nil
	}
	return l.bus.Log.Info()
}

// fail ends the link for what its peer has sent.
func (l *Link) fail(err error) {
	reason, text := "malformed", "closing a link whose peer violates the protocol"
	switch {
	case errors.Is(err, errUnproven):
		reason, text = "auth", "closing a link whose peer is not authenticated"
	case errors.Is(err, errFlood):
		reason, text = "flood", "closing a link whose peer floods it"
	}
	if reason == "malformed" {
		l.bus.Metrics.DroppedMalformed.Inc()
	}
	l.bus.Warn("link "+reason).Err(err).Stringer(logging.Link, l).Msg(text)
	l.Close(reason)
}

// payloadFailed notes that a payload of this process could not be encoded.
func (r *Reporter) payloadFailed(p wire.Payload, cause any, stack []byte) error {
	r.Metrics.DroppedPayload.Inc()
	if e := r.Warn("payload"); e != nil {
		e.Str("payload", fmt.Sprintf("%T", p)).Str("panic", fmt.Sprint(cause)).Bytes("stack", stack).
			Msg("a payload could not be encoded: what it was for has failed")
	}
	return writer.ErrPayload
}

// busMetrics are the handles of what the bus counts.
type busMetrics struct {
	Set metrics.Meter

	messagesIn, MessagesOut, FramesIn, FramesOut, BytesIn, bytesOut *metrics.Counter
	Calls, expired, cancelsIn, cancelsOut, EventsIn, EventsOut      *metrics.Counter
	Opened, Keyed, KeyMoved, Stalled, Ejected                       *metrics.Counter

	CopiesSlow, copiesStalled, CopiesWon, copiesLeftOut *metrics.Counter

	DroppedLate, DroppedStray, DroppedMalformed, DroppedUnknown      *metrics.Counter
	DroppedWindow, droppedNoHandler, DroppedEvents, droppedOversized *metrics.Counter
	droppedLinkDown, droppedBodies                                   *metrics.Counter
	DroppedTap, TapCopies, DroppedPayload, droppedHeld               *metrics.Counter
}

func newBusMetrics(s metrics.Meter) *busMetrics {
	dropped := func(reason string) *metrics.Counter { return s.Counter(metrics.BusDropped, reason) }
	return &busMetrics{
		Set:        s,
		messagesIn: s.Counter(metrics.BusMessagesIn), MessagesOut: s.Counter(metrics.BusMessagesOut),
		FramesIn: s.Counter(metrics.BusFramesIn), FramesOut: s.Counter(metrics.BusFramesOut),
		BytesIn: s.Counter(metrics.BusBytesIn), bytesOut: s.Counter(metrics.BusBytesOut),
		Calls: s.Counter(metrics.BusCalls), expired: s.Counter(metrics.BusExpired),
		cancelsIn: s.Counter(metrics.BusCancelsIn), cancelsOut: s.Counter(metrics.BusCancelsOut),
		EventsIn: s.Counter(metrics.BusEventsIn), EventsOut: s.Counter(metrics.BusEventsOut),
		Opened: s.Counter(metrics.BusLinkOpened), Stalled: s.Counter(metrics.BusLinkStalled), Ejected: s.Counter(metrics.BusLinkEjected),
		Keyed: s.Counter(metrics.BusKeyed), KeyMoved: s.Counter(metrics.BusKeyMoved),
		CopiesSlow: s.Counter(metrics.BusCopies, "slow"), copiesStalled: s.Counter(metrics.BusCopies, "stalled"),
		CopiesWon: s.Counter(metrics.BusCopiesWon), copiesLeftOut: s.Counter(metrics.BusCopiesLeftOut),
		DroppedLate: dropped("late"), DroppedStray: dropped("stray"),
		DroppedMalformed: dropped("malformed"), DroppedUnknown: dropped("unknown_kind"),
		DroppedWindow: dropped("over_window"), droppedNoHandler: dropped("no_handler"),
		DroppedEvents: dropped("event_overflow"), droppedOversized: dropped("oversized"),
		droppedLinkDown: dropped("link_down"), droppedBodies: dropped("over_bodies"),
		DroppedTap: dropped("tap_overflow"), TapCopies: s.Counter(metrics.BusTapCopies),
		DroppedPayload: dropped("payload"), droppedHeld: dropped("over_held"),
	}
}
