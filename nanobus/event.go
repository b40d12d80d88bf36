package nanobus

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"nanofront/nanobus/link"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

const (
	// maxEvents is how many received events may wait for their subscribers.
	maxEvents = 1024
	// maxTopic is the longest topic in bytes.
	maxTopic = 255
)

// Event is one published message.
type Event struct {
	Topic   string
	Payload []byte // the subscriber's own

	from *Link // nil: this process
}

// cost is what the event counts for while it waits.
func (e *Event) cost() int32 { return 1 + int32(len(e.Payload)/link.EventUnit) }

// Publish sends an event to every linked process that subscribed to its topic,
// once to each however many links there are, and to this process's own
// subscribers. Best effort: what can't be taken is dropped and counted. It
// never blocks and returns how many it was sent to.
func (b *Bus) Publish(topic string, payload []byte) (int, error) {
	if err := checkTopic(topic); err != nil {
		return 0, err
	}
	if len(payload) > MaxPayload-maxTopic {
		return 0, ErrTooLarge
	}
	sent := 0
	seen := make(map[[2]string]bool)
	links := b.snapshotLinks()
	// What we dialled is at the address that discovery gave; of accepted links
	// the newest is the least likely to be half-open.
	slices.SortFunc(links, func(x, y *Link) int {
		if (x.Instance != nil) != (y.Instance != nil) {
			if x.Instance != nil {
				return -1
			}
			return 1
		}
		return int(min(max(y.Attached-x.Attached, -1), 1))
	})
	for _, l := range links {
		h := l.Hello.Load()
		if h == nil || !h.Wants(topic) || (h.Instance != "" && seen[[2]string{h.Service, h.Instance}]) {
			continue
		}
		start, err := l.Begin(wire.KindEvent, 0, 0)
		if err != nil {
			continue // its other link, if there is one, gets it
		}
		if start > writer.MaxGathered {
			l.Abandon(start)
			b.node.Metrics.DroppedEvents.Inc()
			continue
		}
		l.Out = append(wire.AppendString8(l.Out, topic), payload...)
		if l.Commit(start) == nil {
			seen[[2]string{h.Service, h.Instance}] = true
			b.node.Metrics.EventsOut.Inc()
			sent++
		}
	}
	if b.events.deliver(topic, payload, nil) {
		sent++
	}
	return sent, nil
}

func checkTopic(topic string) error {
	if topic == "" || len(topic) > maxTopic || strings.ContainsFunc(topic, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("nanobus: topic %q: want 1 to %d printable ASCII bytes without spaces", topic, maxTopic)
	}
	return nil
}

// eventQueue is the events that wait for this process' subscribers.
type eventQueue struct {
	bus    *Bus
	c      chan Event
	queued atomic.Int32 // by Event.cost
}

// deliver queues an event that came on a link, or is our own (nil), for this
// process's subscribers. It reports whether there is one and there was room.
func (q *eventQueue) deliver(topic string, payload []byte, from *Link) bool {
	if q.bus.opts.Subscriptions[topic] == nil {
		return false
	}
	e := Event{Topic: topic, Payload: payload, from: from}
	if q.take(&e) {
		e.Payload = append([]byte(nil), payload...)
		select {
		case q.c <- e:
			return true
		default:
			q.give(&e)
		}
	}
	q.bus.node.Metrics.DroppedEvents.Inc()
	return false
}

// take takes a place for an event, give gives it back.
func (q *eventQueue) take(e *Event) bool {
	n := e.cost()
	if e.from != nil && e.from.Events.Add(n) > link.MaxLinkEvents {
		e.from.Events.Add(-n)
		return false
	}
	if q.queued.Add(n) > maxEvents {
		q.give(e)
		return false
	}
	return true
}

func (q *eventQueue) give(e *Event) {
	n := e.cost()
	q.queued.Add(-n)
	if e.from != nil {
		e.from.Events.Add(-n)
	}
}

// dispatch runs the subscribers, one event after the other. It ends with the
// bus.
func (q *eventQueue) dispatch() {
	defer q.bus.node.Workers.Done()
	for {
		select {
		case e := <-q.c:
			q.give(&e)
			e.from = nil
			q.run(e)
		case <-q.bus.done:
			return
		}
	}
}

func (q *eventQueue) run(e Event) {
	defer func() {
		if p := recover(); p != nil {
			q.bus.node.Log.Error().Str("topic", e.Topic).Interface("panic", p).Msg("subscriber panicked")
		}
	}()
	q.bus.opts.Subscriptions[e.Topic](e)
}
