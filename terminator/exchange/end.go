package exchange

import "time"

// End is how an exchange ended, as the access log says it.
type End uint8

const (
	Complete      End = iota // the system has taken the whole response
	ClientGone               // the client closed or reset the connection before it had its response
	WriteTimeout             // the client took too long to take it
	Broken                   // the handler, or the link to it, broke off the response's body
	Drained                  // the front ended, and with it the drain's time
	NoMemory                 // the front held too much for its clients to hold the response for one that is slow
	UploadAborted            // the client has gone, or reset, in the middle of the request's body
)

var ends = [...]string{
	Complete: "ok", ClientGone: "client_gone", WriteTimeout: "write_timeout", Broken: "broken", Drained: "drained",
	UploadAborted: "upload_aborted", NoMemory: "no_memory",
}

// String is how the access log says it.
func (e End) String() string { return ends[e] }

// Finish ends the exchange: it counts and logs it. head and body are how many bytes of the response's head and
// body the system has taken. Neither x nor its response are to be used afterwards.
func (x *Exchange) Finish(head, body int64, end End) {
	f := x.front
	x.note.Store(0)
	status := x.Response.Status
	f.metrics.bytesOut.Add(uint64(head + body))
	now := f.bus.Now()
	if x.early && end == Complete {
		end = UploadAborted
	}
	if n, ok := f.accessLog.wants(now); ok {
		began := x.start
		if x.firstByte != 0 {
			began = time.Duration(x.firstByte)
		}
		f.accessLog.write(x, status, body, now-began, end, n)
	}
	x.measure(now, end)
	replied, firstByte := int64(x.call.Received), x.firstByte
	if x.heldAt != 0 {
		firstByte = 0 // its total would say for how long it was held
	}
	x.release()
	if end == Complete && replied != 0 {
		f.written(now, firstByte, replied)
	}
}

// measure counts the request for the goals of its route and service. How long a client takes to send a body, or to
// take one, is its own affair, and how long a held one is held is the handler's.
func (x *Exchange) measure(now time.Duration, end End) {
	if x.up == nil || x.heldAt != 0 {
		return
	}
	goals := x.up.goals
	switch {
	case x.outcome == clientGone, x.outcome == answered && x.call.Received == 0:
		// Who has waited beyond all goals had reason to go; who hasn't says nothing of the service.
		if waited := now - x.start; end == ClientGone && !x.streams && waited > goals.Largest() {
			goals.Answered(waited)
		}
	case x.streams || end == UploadAborted:
	case x.Response.Status >= 500:
		goals.Failed()
	case x.outcome == answered:
		goals.Answered(x.call.Received - x.start)
	}
}
