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
	replied, firstByte := int64(x.call.Received), x.firstByte
	if x.heldAt != 0 {
		firstByte = 0 // its total would say for how long it was held
	}
	x.release()
	if end == Complete && replied != 0 {
		f.written(now, firstByte, replied)
	}
}
