package exchange

import (
	"bytes"
	"slices"

	"nanofront/httpmsg"
	"nanofront/terminator/http1"
)

// requestHeader is the header of a request, sorted by what becomes of it.
type requestHeader struct {
	fields    httpmsg.Fields // what goes on as it is
	requestID []byte         // nil: none, or not a sane one
	host      []byte
	close     bool    // Connection: close
	keepAlive bool    // Connection: keep-alive, which HTTP/1.0 has to say
	trace     *traced // takes the fields that tracing is about; nil: they are as any others

	connection                     [][]byte
	xFor, xProto, xHost, forwarded [][]byte
	xVersion                       httpmsg.Fields // X-Version and what goes with it
	xOther                         httpmsg.Fields // X-Forwarded-Port, -Prefix and whatever else a proxy may say
}

// maxRequestID is the longest X-Request-Id that is kept.
const maxRequestID = 128

func (h *requestHeader) reset() {
	h.fields = h.fields[:0]
	h.requestID, h.host, h.close, h.keepAlive, h.trace = nil, nil, false, false, nil
	h.connection = h.connection[:0]
	h.xFor, h.xProto, h.xHost, h.forwarded = h.xFor[:0], h.xProto[:0], h.xHost[:0], h.forwarded[:0]
	h.xOther, h.xVersion = h.xOther[:0], h.xVersion[:0]
}

// read sorts the fields of a head, whose grammar the scanner has made sure of. All slices alias
// head.
func (h *requestHeader) read(head []byte, fields []http1.Place) {
	for _, at := range fields {
		h.sort(at.Cut(head))
	}
	if len(h.connection) > 0 {
		h.dropListed()
	}
}

// sort puts one field where it belongs. The first switch is on the length,
// which tells most fields apart from those that are special.
func (h *requestHeader) sort(name, value []byte) {
	is := func(lower string) bool { return http1.EqualLower(name, lower) }
	if name[0]|0x20 == 'x' && h.sortX(name, value) {
		return
	}
	switch len(name) {
	case 2:
		if is("te") {
			return
		}
	case 4:
		if is("host") {
			h.host = bytes.TrimSuffix(value, []byte{':'}) // an empty port is none
			return
		}
	case 5:
		if is("proxy") {
			return // CGI makes HTTP_PROXY of it, which many libraries obey
		}
	case 6:
		if is("expect") {
			return
		}
	case 7:
		if is("trailer") || is("upgrade") {
			return
		}
		if h.trace != nil && is("baggage") {
			h.trace.sort(name, value)
			return
		}
	case 9:
		if is("forwarded") {
			h.forwarded = append(h.forwarded, value)
			return
		}
	case 10:
		if is("connection") {
			switch {
			case http1.EqualLower(value, "close"):
				h.close = true
			case http1.EqualLower(value, "keep-alive"):
				h.keepAlive = true
			default:
				h.connection = append(h.connection, value)
				h.close = h.close || isListed(value, []byte("close"))
				h.keepAlive = h.keepAlive || isListed(value, []byte("keep-alive"))
			}
			return
		}
		if is("keep-alive") {
			return
		}
		if h.trace != nil && is("tracestate") {
			h.trace.sort(name, value)
			return
		}
	case 11:
		if h.trace != nil && is("traceparent") {
			h.trace.sort(name, value)
			return
		}
	case 14:
		if is("content-length") {
			return
		}
	case 16:
		if is("proxy-connection") {
			return
		}
	case 17:
		if is("transfer-encoding") {
			return
		}
	case 18:
		if is("proxy-authenticate") {
			return
		}
	case 19:
		if is("proxy-authorization") {
			return
		}
	}
	h.fields = append(h.fields, httpmsg.Field{Name: name, Value: value})
}

// sortX is sort for X-Request-Id and all that begins with X-Forwarded. It reports whether the field
// is one of these. A backend that makes variables of names takes "X_Forwarded.For" for
// X-Forwarded-For: such are dropped.
func (h *requestHeader) sortX(name, value []byte) bool {
	const family = "x-forwarded"
	switch {
	case http1.EqualCGI(name, "x-request-id"):
		if http1.EqualLower(name, "x-request-id") && saneRequestID(value) {
			h.requestID = value
		}
		return true
	case http1.EqualCGI(name, "x-version") || http1.EqualCGI(name, "x-version-token"):
		h.xVersion = append(h.xVersion, httpmsg.Field{Name: name, Value: value})
		return true
	case len(name) < len(family) || !http1.EqualCGI(name[:len(family)], family) ||
		len(name) > len(family) && http1.IsAlphanumeric(name[len(family)]):
		return false
	}
	switch {
	case http1.EqualLower(name, "x-forwarded-for"):
		h.xFor = append(h.xFor, value)
	case http1.EqualLower(name, "x-forwarded-host"):
		h.xHost = append(h.xHost, value)
	case http1.EqualLower(name, "x-forwarded-proto"):
		h.xProto = append(h.xProto, value)
	case !http1.IsAlias(name):
		h.xOther = append(h.xOther, httpmsg.Field{Name: name, Value: value})
	}
	return true
}

// dropListed removes the fields that Connection lists as meant for this hop
// (RFC 9110 section 7.6.1).
func (h *requestHeader) dropListed() {
	for _, list := range h.connection {
		for token := range bytes.SplitSeq(list, []byte{','}) {
			token = http1.TrimOWS(token)
			listed := func(f httpmsg.Field) bool { return http1.EqualFold(f.Name, token) }
			h.fields = slices.DeleteFunc(h.fields, listed)
			h.xOther = slices.DeleteFunc(h.xOther, listed)
			h.xVersion = slices.DeleteFunc(h.xVersion, listed)
		}
	}
}

// saneRequestID reports whether a client's request id may be passed on and
// logged: 1 to 128 letters, digits and -._~+/=:@.
func saneRequestID(v []byte) bool {
	if len(v) == 0 || len(v) > maxRequestID {
		return false
	}
	for _, c := range v {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/' || c == '=' || c == ':' || c == '@':
		default:
			return false
		}
	}
	return true
}

// hopByHop reports whether a field of a handler's response is not passed on:
// it concerns the connection, which is ours, or is worked out anew.
func hopByHop(name []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"proxy-authenticate", "proxy-authorization", "content-length":
		return true
	default:
		return false
	}
}

// fieldValid reports whether a handler's field can be sent to a client:
// a token for a name, no control bytes in the value (RFC 9110 section 5.5).
func fieldValid(f httpmsg.Field) bool {
	if len(f.Name) == 0 {
		return false
	}
	for _, c := range f.Name {
		if !http1.IsToken(c) {
			return false
		}
	}
	for _, c := range f.Value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// lowerName has a handler's field name in lower case, as it should be, in
// place: what is asked of names goes by that.
func lowerName(name []byte) {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
}
