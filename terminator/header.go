package terminator

import (
	"bytes"

	"nanofront/internal/httpmsg"
	"nanofront/terminator/http1"
)

// requestHeader is the header of a request, sorted by what becomes of it.
type requestHeader struct {
	fields    httpmsg.Fields // what goes on as it is
	requestID []byte         // nil: none, or not a sane one
	host      []byte
	close     bool // Connection: close

	connection                     [][]byte
	xFor, xProto, xHost, forwarded [][]byte
}

// maxRequestID is the longest X-Request-Id that is kept.
const maxRequestID = 128

func (h *requestHeader) reset() {
	h.fields = h.fields[:0]
	h.requestID, h.host, h.close = nil, nil, false
	h.connection = h.connection[:0]
	h.xFor, h.xProto, h.xHost, h.forwarded = h.xFor[:0], h.xProto[:0], h.xHost[:0], h.forwarded[:0]
}

// read sorts the fields of a header section. The guard has made sure of its
// grammar. All slices alias raw.
func (h *requestHeader) read(raw []byte) {
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue // the empty line at the end
		}
		h.sort(line[:colon], http1.TrimOWS(line[colon+1:]))
	}
	if len(h.connection) > 0 {
		h.dropListed()
	}
}

// sort puts one field where it belongs. The first switch is on the length,
// which tells most fields apart from those that are special.
func (h *requestHeader) sort(name, value []byte) {
	is := func(lower string) bool { return http1.EqualLower(name, lower) }
	switch len(name) {
	case 2:
		if is("te") {
			return
		}
	case 4:
		if is("host") {
			h.host = value
			return
		}
	case 6:
		if is("expect") {
			return
		}
	case 7:
		if is("trailer") || is("upgrade") {
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
			case !http1.EqualLower(value, "keep-alive"):
				h.connection = append(h.connection, value)
				h.close = h.close || isListed(value, []byte("close"))
			}
			return
		}
		if is("keep-alive") {
			return
		}
	case 12:
		if is("x-request-id") {
			if saneRequestID(value) {
				h.requestID = value
			}
			return
		}
	case 14:
		if is("content-length") {
			return
		}
	case 15:
		if is("x-forwarded-for") {
			h.xFor = append(h.xFor, value)
			return
		}
	case 16:
		if is("x-forwarded-host") {
			h.xHost = append(h.xHost, value)
			return
		}
		if is("proxy-connection") {
			return
		}
	case 17:
		if is("x-forwarded-proto") {
			h.xProto = append(h.xProto, value)
			return
		}
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

// dropListed removes the fields that Connection lists as meant for this hop
// (RFC 9110 section 7.6.1).
func (h *requestHeader) dropListed() {
	for _, list := range h.connection {
		for token := range bytes.SplitSeq(list, []byte{','}) {
			token = http1.TrimOWS(token)
			kept := h.fields[:0]
			for _, f := range h.fields {
				if !http1.EqualFold(f.Name, token) {
					kept = append(kept, f)
				}
			}
			h.fields = kept
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
