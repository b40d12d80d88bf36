package web

import (
	"encoding/json"
	"sync"
	"time"

	"nanofront/handlers"
	"nanofront/metrics"
	"nanofront/nanobus"
)

const (
	// Topic is the event that tells of a changed member.
	Topic = "profile.updated"
	// KeptEvents is how many events GET /events shows.
	KeptEvents = 100
	// maxFrom is how much is kept of the name of an event's sender.
	maxFrom = 63
)

// update is an event's payload.
type update struct {
	ID      uint64 `json:"id"`
	Version uint64 `json:"version"`
	From    string `json:"from"` // the web instance that made the change
}

// heard is an update as GET /events shows it.
type heard struct {
	update
	At time.Time `json:"at"` // when it was received
}

// events are the changes of members, sent and received.
type events struct {
	publish func(topic string, payload []byte) (int, error)
	self    string
	now     func() time.Time

	published, others *metrics.Counter

	mu    sync.Mutex
	ring  [KeptEvents]heard
	count int // received since the start; the last is at (count-1) % KeptEvents
}

func newEvents(set metrics.Meter, now func() time.Time) *events {
	return &events{
		now: now, published: set.Counter(metrics.EventsPublished), others: set.Counter(metrics.EventsReceived),
	}
}

// send publishes an update; best effort, as all events.
func (e *events) send(id, version uint64) {
	payload, err := json.Marshal(update{ID: id, Version: version, From: e.self})
	if err != nil {
		return // two numbers and a string always marshal
	}
	if _, err := e.publish(Topic, payload); err == nil {
		e.published.Inc()
	}
}

// received is the subscription. The process's own events come here too.
func (e *events) received(ev nanobus.Event) {
	var u update
	if json.Unmarshal(ev.Payload, &u) != nil || u.ID == 0 {
		return // not of this program; there is nobody to tell
	}
	u.From = u.From[:min(len(u.From), maxFrom)]
	if u.From != e.self {
		e.others.Inc()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ring[e.count%KeptEvents] = heard{update: u, At: e.now().UTC()}
	e.count++
}

// last returns the events that are kept, latest first.
func (e *events) last() []heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]heard, 0, min(e.count, KeptEvents))
	for i := e.count - 1; i >= 0 && i >= e.count-KeptEvents; i-- {
		list = append(list, e.ring[i%KeptEvents])
	}
	return list
}

// overheard is what GET /events shows.
type overheard struct {
	Instance  string  `json:"instance"`
	Published uint64  `json:"published"`
	Received  uint64  `json:"received"` // from other instances
	Events    []heard `json:"events"`   // latest first
}

// getEvents answers GET /events.
func (h *handler) getEvents(x *handlers.Exchange) {
	page := x.Request().Header.PrefersHTML()
	aside(x, func() error {
		o := &overheard{h.events.self, h.events.published.Value(), h.events.others.Value(), h.events.last()}
		resp := x.Response()
		resp.Add(headerVary, varyAccept)
		if page {
			addPageHeaders(resp)
			return eventsPage(resp, o, h.now())
		}
		resp.Add(headerType, typeJSON)
		resp.Add(headerCache, noCache)
		return json.NewEncoder(resp).Encode(o)
	})
}
