package exchange

import (
	"math/rand/v2"
	"strconv"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/terminator/http1"
)

var (
	fieldJSON = httpmsg.Field{Name: []byte("Content-Type"), Value: []byte("application/json")}
	nameRetry = []byte("Retry-After")
	// retryAfter differs from response to response, so that those who are refused together don't
	// come back together.
	retryAfter = [...][]byte{[]byte("1"), []byte("2"), []byte("3")}
	nameAllow  = []byte("Allow")
)

// Refuse answers as Route or Expected have found.
func (x *Exchange) Refuse() (goesOn bool) { return x.refuse(x.outcome) }

// refuse answers with an outcome other than answered. It returns true if the connection goes on.
func (x *Exchange) refuse(o outcome) (goesOn bool) {
	f := x.front
	x.leave()
	if o == shed && x.up != nil {
		x.up.service.Overloaded()
	}
	x.outcome = o
	f.metrics.outcomes[o].Inc()
	if o == clientGone {
		x.Response.Status = outcomes[o].status
		x.responding()
		return x.to.Drop(x)
	}
	fields, body := x.reply.Header[:0], refusals[o]
	switch {
	case len(body) == 0:
	case x.wantsHTML || x.header.fields.PrefersHTML():
		fields, body = append(fields, pageFields...), pages[o]
	default:
		fields = append(fields, fieldJSON)
	}
	if outcomes[o].retry {
		fields = append(fields, httpmsg.Field{Name: nameRetry, Value: retryAfter[rand.N(len(retryAfter))]})
	}
	if x.allow != nil {
		fields = append(fields, httpmsg.Field{Name: nameAllow, Value: x.allow})
	}
	return x.say(outcomes[o].status, fields, body)
}

// Fault refuses a request whose bytes are not acceptable, in its head or later on. The connection
// ends with the response, as it isn't known where the next request begins. head says that the
// method is HEAD, as far as that has come; it doesn't matter if Read was called.
func (x *Exchange) Fault(fault http1.Fault, head bool) (goesOn bool) {
	x.count()
	if x.requestID == nil {
		x.Head = head
		x.identified()
	}
	status, reason := fault.Response()
	x.front.set.Counter(metrics.HTTPRefused, reason).Inc()
	x.Close, x.reason, x.early = true, reason, fault == http1.FaultEarly
	return x.say(status, append(x.reply.Header[:0], fieldJSON), appendErrorBody(nil, reason))
}

// NoMemory refuses a request for whose body the front has no memory at present.
func (x *Exchange) NoMemory() (goesOn bool) {
	x.Close = true
	return x.refuse(shed)
}

// TooLarge refuses a request of whose body more has come than the route takes.
func (x *Exchange) TooLarge() (goesOn bool) {
	x.Close = true
	return x.refuse(bodyTooLarge)
}

// Gone ends a request whose client has gone before it was sent.
func (x *Exchange) Gone() (goesOn bool) { return x.refuse(clientGone) }

// Broken refuses for a stream that its handler has broken off before the first byte, in
// Responder.Begin.
func (x *Exchange) Broken(err error) (goesOn bool) { return x.badReply(err) }

// say answers with a response of the front's own.
func (x *Exchange) say(status int, fields httpmsg.Fields, body []byte) (goesOn bool) {
	x.reply.Header = fields
	x.Response = Response{Status: status, Fields: fields, Length: int64(len(body)), Body: body}
	if x.Head {
		x.Response.Body = nil
	}
	x.Close = x.Close || x.front.draining()
	x.responding()
	return x.to.Answer(x)
}

// responding counts the response that is about to be written.
func (x *Exchange) responding() {
	x.responded = true
	x.front.metrics.classes[x.Response.Status/100].Inc()
	if up := x.up; up != nil {
		up.routeRequests.Inc()
	}
}

// appendErrorBody appends the body that all error responses share. text has nothing that JSON would
// have to escape but quotes.
func appendErrorBody(dst []byte, text string) []byte {
	dst = append(dst, `{"error":`...)
	return append(strconv.AppendQuote(dst, text), '}', '\n')
}

// refusals are the bodies, made once.
var refusals = func() (bodies [len(outcomes)][]byte) {
	for i := range outcomes {
		if outcomes[i].text != "" {
			bodies[i] = appendErrorBody(nil, outcomes[i].text)
		}
	}
	return bodies
}()
