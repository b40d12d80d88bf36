package replay

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"nanofront/internal/recording"
)

// Mark is the field by which a server tells a replayed request from others: the recorded request id,
// or "1" if there was none.
const Mark = "x-nanofront-replay"

// Encoder appends a recorded request as it is to be sent.
type Encoder func(dst []byte, r *recording.Record, body []byte) []byte

// maxValue is the longest value of a field, and the longest host, path or query, on the bus.
const maxValue = 1<<16 - 1

// SafeMethods change nothing (RFC 9110, section 9.2.1).
var SafeMethods = []string{"GET", "HEAD", "OPTIONS"}

// ownFields are about the connection, the length or the way of the request that was recorded, and
// are the replay's own, or a front's.
var ownFields = map[string]bool{
	"connection": true, "content-length": true, "expect": true, "forwarded": true, "host": true, "keep-alive": true,
	"proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"via": true, "x-request-id": true, "traceparent": true, "tracestate": true, "baggage": true, Mark: true,
}

// Sends reports whether a recorded field, its name in lower case, is sent.
func Sends(name string) bool { return !ownFields[name] && !strings.HasPrefix(name, "x-forwarded-") }

// HTTP is an Encoder for HTTP/1.1.
func HTTP(dst []byte, r *recording.Record, body []byte) []byte {
	dst = append(append(dst, r.Method...), ' ')
	dst = append(dst, r.Path...)
	if r.Query != "" {
		dst = append(append(dst, '?'), r.Query...)
	}
	dst = append(append(append(dst, " HTTP/1.1\r\nHost: "...), r.Host...), "\r\n"...)
	for _, f := range r.Fields {
		if Sends(f.Name) {
			dst = append(append(append(append(dst, f.Name...), ": "...), f.Value...), "\r\n"...)
		}
	}
	dst = append(append(append(dst, Mark+": "...), MarkOf(r)...), "\r\n"...)
	if len(body) > 0 || hasBody(r.Method) {
		dst = append(strconv.AppendInt(append(dst, "Content-Length: "...), int64(len(body)), 10), "\r\n"...)
	}
	return append(append(dst, "\r\n"...), body...)
}

// MarkOf is the value of Mark for a record.
func MarkOf(r *recording.Record) string {
	if r.RequestID == "" {
		return "1"
	}
	return r.RequestID
}

func hasBody(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

// sound reports whether a record can be sent as HTTP. A recording may come from anywhere: one whose
// fields end a line would smuggle in requests of its own.
func sound(r *recording.Record) bool {
	return isToken(r.Method) && r.Method != "CONNECT" && strings.HasPrefix(r.Path, "/") && isTarget(r.Path) && isTarget(r.Query) &&
		isTarget(r.Host) && isValue(r.RequestID) && len(r.Method)+len(r.Scheme) < 255 &&
		len(r.Host)+len(r.Path)+len(r.Query) <= maxValue &&
		!slices.ContainsFunc(r.Fields, func(f recording.Field) bool {
			return !isToken(f.Name) || len(f.Name) > 255 || !isValue(f.Value) || len(f.Value) > maxValue
		})
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isTarget(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// fieldOf finds a field, its name in lower case, in a head as rawhttp.Parser gives it.
func fieldOf(head []byte, name string) []byte {
	for len(head) > 0 {
		line := head
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, head = head[:i], head[i+1:]
		} else {
			head = nil
		}
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}
