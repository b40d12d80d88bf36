package terminator

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"nanofront/internal/logging"
	"nanofront/terminator/http1"
)

// responseHead is what a response of the event loops begins with, beside what
// the handler says.
type responseHead struct {
	date      []byte // the field line
	requestID []byte
	head      bool // the request's method is HEAD: no body
	close     bool // the connection ends with it
}

// statusLines has the status line of each registered status from 200 on.
var statusLines = func() (lines [600][]byte) {
	for status := 200; status < len(lines); status++ {
		if text := http.StatusText(status); text != "" {
			lines[status] = fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", status, text)
		}
	}
	return lines
}()

// registeredStatus is status, from 200 to 599, if that is registered, and else the x00 of its class, which RFC 9110
// section 15 has clients take it for.
func registeredStatus(status int) int {
	if statusLines[status] == nil {
		status -= status % 100
	}
	return status
}

// mendStatus sees to it that a handler's reply has a registered status, and tells of one that had none.
func (t *Terminator) mendStatus(f *flight) {
	status := registeredStatus(f.reply.Status)
	if status == f.reply.Status {
		return
	}
	if t.limit.Allow("status") {
		t.log.Warn().Int("status", f.reply.Status).Int("sent", status).Stringer(logging.Link, f.call.Link).Bytes(logging.Path, f.msg.Path).
			Msg("a handler gave a status that isn't registered: sent as that of its class")
	}
	f.reply.Status = status
}

// dateLine is the field Date, renewed now and then: its clock has seconds.
type dateLine struct{ line atomic.Pointer[[]byte] }

func (d *dateLine) renew(now time.Time) {
	line := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
	line = append(line, "\r\n"...)
	d.line.Store(&line)
}

func (d *dateLine) get() []byte { return *d.line.Load() }

func appendField(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// appendReply appends the handler's reply in f as a whole response, but for
// its body, which is what comes after it; nil if there is none to send. It
// does what respond does by way of fasthttp, and TestLoop_SameResponses holds
// the two together. ok is false if the reply can't be passed on.
func appendReply(dst []byte, f *flight, h *responseHead) (_, body []byte, ok bool) {
	reply := &f.reply
	dst = append(append(dst, statusLines[reply.Status]...), h.date...)
	var listed []byte
	for i := range reply.Header {
		lowerName(reply.Header[i].Name)
		if string(reply.Header[i].Name) == "connection" {
			listed = reply.Header[i].Value
		}
	}
	// Of these there is one, the last.
	var contentType, contentEncoding, server, length []byte
	for i := range reply.Header {
		field := &reply.Header[i]
		if !fieldValid(*field) {
			return dst, nil, false
		}
		name := field.Name
		if string(name) == "content-length" && validLength(field.Value) {
			length = field.Value
		}
		if hopByHop(name) || listed != nil && isListed(listed, name) {
			continue // meant for this hop
		}
		switch string(name) {
		case "content-type":
			contentType = field.Value
		case "content-encoding":
			contentEncoding = field.Value
		case "server":
			server = field.Value
		case "date", "x-request-id": // ours
		default:
			canonicalName(name)
			dst = appendField(dst, name, field.Value)
		}
	}
	if len(contentType) > 0 {
		dst = appendField(dst, []byte("Content-Type"), contentType)
	}
	if len(contentEncoding) > 0 {
		dst = appendField(dst, []byte("Content-Encoding"), contentEncoding)
	}
	if len(server) > 0 {
		dst = appendField(dst, []byte("Server"), server)
	}
	body = reply.Body
	switch {
	case reply.Status == http.StatusNoContent:
		body = nil
	case h.head && len(body) == 0:
		if length != nil {
			dst = appendField(dst, []byte("Content-Length"), length) // what a GET would have had
		}
	case reply.Status == http.StatusNotModified:
		body = nil
	default:
		dst = appendLength(dst, len(body))
	}
	if h.head {
		body = nil
	}
	return h.appendEnd(dst), body, true
}

func appendLength(dst []byte, n int) []byte {
	dst = append(dst, "Content-Length: "...)
	return append(strconv.AppendInt(dst, int64(n), 10), "\r\n"...)
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

// appendEnd appends the last fields and the empty line.
func (h *responseHead) appendEnd(dst []byte) []byte {
	if len(h.requestID) > 0 {
		dst = appendField(dst, headerRequestID, h.requestID)
	}
	if h.close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// appendOutcome appends the response for an outcome other than answered: what
// refuse makes, by way of fasthttp. allow is for badMethod.
func appendOutcome(dst []byte, o outcome, allow []byte, h *responseHead) []byte {
	row := &outcomes[o]
	dst = append(append(dst, statusLines[row.status]...), h.date...)
	if len(refusals[o]) > 0 {
		dst = append(dst, "Content-Type: application/json\r\n"...)
	}
	if row.retry {
		dst = append(dst, "Retry-After: 1\r\n"...)
	}
	if allow != nil {
		dst = appendField(dst, []byte("Allow"), allow)
	}
	dst = h.appendEnd(appendLength(dst, len(refusals[o])))
	if h.head {
		return dst
	}
	return append(dst, refusals[o]...)
}
