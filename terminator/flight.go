package terminator

import (
	"sync"

	"nanofront/internal/httpmsg"
	"nanofront/nanobus"
)

// flight is what one request needs while it is under way. Flights are used
// again, so that a request allocates nothing.
type flight struct {
	call      *nanobus.Call
	msg       httpmsg.Request  // as it goes on the bus; aliases fasthttp's buffers
	reply     httpmsg.Response // aliases the received message
	header    requestHeader
	requestID []byte
	instance  string // who answered
	madeID    [32]byte
	body      []byte // of the request, if whole
	lost      bool   // the guard has answered: there is nothing to count
	unread    bool   // the client's body was left unread

	pathScratch, forwardedScratch []byte
}

var flights = sync.Pool{New: func() any { return &flight{call: nanobus.NewCall()} }}

func takeFlight() *flight {
	return flights.Get().(*flight) //nolint:forcetypeassert // the pool has nothing else
}

func (f *flight) release() {
	f.reset()
	flights.Put(f)
}

// reset makes the flight ready for another request.
func (f *flight) reset() {
	f.call.Release()
	f.msg = httpmsg.Request{}
	f.reply.Release()
	f.header.reset()
	f.requestID, f.instance = nil, ""
	f.lost, f.unread = false, false
	if cap(f.body) > keepWhole {
		f.body = nil
	}
}
