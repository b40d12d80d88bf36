package http1

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"nanofront/httpmsg"
)

// Lengths of a response that aren't a number of bytes.
const (
	Chunked     = -1 // said by Transfer-Encoding: chunked
	CloseEnded  = -2 // not said: the end of the connection is that of the body (RFC 9112 section 6.3)
	LengthUnset = -3 // not said: there is no body
)

// ResponseHead is the head of a response.
type ResponseHead struct {
	Status int
	// Fields are written with names in their usual spelling, Content-Type, to which they are
	// changed in place.
	Fields    httpmsg.Fields
	Length    int64  // Content-Length, or one of the constants above
	RequestID []byte // X-Request-Id; nil: none
	Close     bool   // Connection: close
	KeepAlive bool   // Connection: keep-alive, for a client of HTTP/1.0 that asked for it
}

// AppendTo appends the head with its empty line.
func (h *ResponseHead) AppendTo(dst []byte, date *Date) []byte {
	dst = append(append(dst, statusLine(h.Status)...), date.line()...)
	for i := range h.Fields {
		f := &h.Fields[i]
		canonicalName(f.Name)
		dst = appendField(dst, f.Name, f.Value)
	}
	switch {
	case h.Length >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, h.Length, 10), "\r\n"...)
	case h.Length == Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	if len(h.RequestID) > 0 {
		dst = appendField(dst, requestIDName, h.RequestID)
	}
	switch {
	case h.Close:
		dst = append(dst, "Connection: close\r\n"...)
	case h.KeepAlive:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}

var requestIDName = []byte("X-Request-Id")

func appendField(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// Continue is the interim response to Expect: 100-continue.
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// AppendChunk appends a chunk's framing in front of n bytes of data, which CRLF has to follow.
func AppendChunk(dst []byte, n int) []byte {
	return append(strconv.AppendUint(dst, uint64(n), 16), "\r\n"...)
}

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"

// statusLines has the status line of each status there may be.
var statusLines = func() (lines [600][]byte) {
	for status := 200; status < len(lines); status++ {
		line := append([]byte("HTTP/1.1 "), strconv.Itoa(status)...)
		lines[status] = append(append(append(line, ' '), http.StatusText(status)...), "\r\n"...)
	}
	return lines
}()

func statusLine(status int) []byte { return statusLines[status] }

// canonicalName turns content-type into Content-Type, in place.
func canonicalName(name []byte) {
	upper := true
	for i, c := range name {
		switch {
		case upper && 'a' <= c && c <= 'z':
			name[i] = c - 'a' + 'A'
		case !upper && 'A' <= c && c <= 'Z':
			name[i] = c - 'A' + 'a'
		}
		upper = c == '-'
	}
}

// Date is the field Date, which somebody renews now and then: its clock has seconds.
type Date struct{ field atomic.Pointer[[]byte] }

// Renew sets the time.
func (d *Date) Renew(now time.Time) {
	line := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
	line = append(line, "\r\n"...)
	d.field.Store(&line)
}

func (d *Date) line() []byte { return *d.field.Load() }
