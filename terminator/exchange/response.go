package exchange

import (
	"bytes"
	"net/http"
	"strconv"

	"nanofront/httpmsg"
	"nanofront/internal/logging"
	"nanofront/terminator/http1"
)

// Length of a response's body, where it isn't a number of bytes.
const (
	// NotKnown: the body streams, and how much it will be isn't known.
	NotKnown = -1
	// NotSaid: there is no body, and nothing to be said about its length.
	NotSaid = -2
)

// Response is what a driver writes: in order, and without whatever concerns a connection. It is
// valid until Exchange.Finish.
type Response struct {
	Status int
	// Fields are to be sent as they are; names are in lower case, and may be written to. The
	// request's id is the driver's to add, as is the date.
	Fields httpmsg.Fields
	// Length is what to say of the body's length in bytes, NotKnown or NotSaid. It may be more than
	// there is to send, in an answer to HEAD.
	Length int64
	// Body is to be sent behind the head, before what streams.
	Body []byte
}

func (r *Response) reset() { *r = Response{} }

// respond makes the response of a handler's reply. False: it has what HTTP doesn't allow.
func (x *Exchange) respond() bool {
	x.mendStatus()
	reply, r := &x.reply, &x.Response
	var listed []byte
	for i := range reply.Header {
		lowerName(reply.Header[i].Name)
		if string(reply.Header[i].Name) == "connection" {
			listed = reply.Header[i].Value
		}
	}
	// Of these there is one, the last.
	var contentType, contentEncoding, server, length httpmsg.Field
	kept := reply.Header[:0]
	for _, field := range reply.Header {
		if !fieldValid(field) {
			return false
		}
		name := field.Name
		if string(name) == "content-length" && validLength(field.Value) {
			length = field
		}
		if hopByHop(name) || listed != nil && isListed(listed, name) {
			continue // meant for this hop
		}
		switch string(name) {
		case "content-type":
			contentType = field
		case "content-encoding":
			contentEncoding = field
		case "server":
			server = field
		case "date", "x-request-id": // ours
		default:
			kept = append(kept, field)
		}
	}
	for _, field := range [...]httpmsg.Field{contentType, contentEncoding, server} {
		if len(field.Value) > 0 {
			kept = append(kept, field)
		}
	}
	reply.Header = kept
	r.Status, r.Fields, r.Body = reply.Status, kept, reply.Body
	bodyless := r.Status == http.StatusNoContent || r.Status == http.StatusNotModified
	switch {
	case x.call.Download != nil && !bodyless:
		if r.Length = reply.Length; r.Length <= 0 {
			r.Length = NotKnown
		}
	case r.Status == http.StatusNoContent:
		r.Length, r.Body = NotSaid, nil
	case x.Head && len(r.Body) == 0:
		r.Length = NotSaid
		if length.Value != nil {
			r.Length, _ = strconv.ParseInt(string(length.Value), 10, 64) // what a GET would have had
		}
	case bodyless:
		r.Length, r.Body = NotSaid, nil
	default:
		r.Length = int64(len(r.Body))
	}
	if x.Head {
		r.Body = nil
	}
	return true
}

// mendStatus sees to it that a handler's reply has a registered status, and tells of one that had
// none.
func (x *Exchange) mendStatus() {
	status := registered(x.reply.Status)
	if status == x.reply.Status {
		return
	}
	if f := x.front; f.limit.Allow("status") {
		f.log.Warn().Int("status", x.reply.Status).Int("sent", status).Stringer(logging.Link, x.call.Link).
			Bytes(logging.Path, x.msg.Path).
			Msg("a handler gave a status that isn't registered: sent as that of its class")
	}
	x.reply.Status = status
}

// registered is status, from 200 to 599, if that is registered, and else the x00 of its class,
// which RFC 9110 section 15 has clients take it for.
func registered(status int) int {
	if http.StatusText(status) == "" {
		status -= status % 100
	}
	return status
}

// Bodyless reports whether nothing follows the response's head, whatever its length says.
func (x *Exchange) Bodyless() bool {
	s := x.Response.Status
	return x.Head || s == http.StatusNoContent || s == http.StatusNotModified
}

// validLength reports whether v is a Content-Length.
func validLength(v []byte) bool {
	_, err := strconv.ParseUint(string(v), 10, 63)
	return err == nil
}

// isListed reports whether name, in lower case, is in a Connection field's value.
func isListed(list, name []byte) bool {
	for token := range bytes.SplitSeq(list, []byte{','}) {
		if http1.EqualFold(http1.TrimOWS(token), name) {
			return true
		}
	}
	return false
}
