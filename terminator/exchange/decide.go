package exchange

import (
	"time"

	"nanofront/registry"
	"nanofront/terminator/shares"
)

// Key implements shares.Keys.
func (x *Exchange) Key(h registry.Hash) uint64 { return keyOf(h, x) }

// decide gives a request to a service with versions, or that asks for one, its version and variants,
// which travel with it.
func (x *Exchange) decide() {
	h := &x.header
	d := x.up.decides
	if d == nil { // fields as any others
		h.fields = append(h.fields, h.xVersion...)
		x.msg.Header = h.fields
		return
	}
	x.divided = true
	d.Decide(x, x.revision, x.clientIP, h.xVersion, &x.decided)
	x.msg.Decision = x.decided.Decision
	if t := x.decided.Meant; t != nil {
		x.msg.Version, x.call.Versions = t.Name, t.Versions
	}
}

// tally counts, of a request that was divided, what has become of the request for its version and variants. How long a client takes,
// or is held, says nothing of those.
func (x *Exchange) tally(now time.Duration, end End) {
	if !x.decided.Any() {
		return // its version is of another service alone
	}
	how, took := shares.Answered, time.Duration(0)
	switch o := x.outcome; {
	case o == noInstance || o == noCredit || o == shed || o == heldFull:
		how = shares.Refused
	case o == timedOut:
		how, took = shares.TimedOut, now-x.start // at least
	case o == linkBroke || o == handlerFailed || o == badReply || end == Broken:
		how = shares.Failed
	case o != answered:
		how = shares.Left
	default:
		if x.Response.Status >= 500 {
			how = shares.Failed
		}
		if x.heldAt == 0 && !x.streams && x.call.Received != 0 {
			took = x.call.Received - x.start
		}
	}
	x.decided.Over(how, took, x.call.Chosen, x.call.Received != 0)
}
