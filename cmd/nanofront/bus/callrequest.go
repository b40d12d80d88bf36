package bus

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// MaxCallBody is the largest body in bytes that Call sends: what is left of a
// frame with a header of moderate size.
const MaxCallBody = nanobus.MaxPayload - 64<<10

// notSent are the fields that concern a connection or that the payload has
// another place for.
var notSent = []string{
	"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// NewRequest makes a request as a front would send it. target is a path with or
// without a query, header is "Name: value" each; Host is taken from there, or is
// the service's name. An empty method is GET, or POST if there is a body.
func NewRequest(service, method, target string, header []string, body []byte) (*httpmsg.Request, error) {
	if method == "" {
		method = "GET"
		if body != nil {
			method = "POST"
		}
	}
	if len(method) > 255 || strings.ContainsFunc(method, notToken) {
		return nil, fmt.Errorf("method %q isn't valid in HTTP: want letters, such as GET", method)
	}
	path, query, err := splitTarget(target)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxCallBody {
		return nil, fmt.Errorf("the body has %d bytes: want at most %d", len(body), MaxCallBody)
	}
	r := &httpmsg.Request{
		Method: []byte(method), Scheme: []byte("http"), Host: []byte(service), Path: []byte(path), Query: []byte(query),
		Client: []byte("127.0.0.1"), Body: body,
	}
	for _, h := range header {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		switch {
		case !ok || name == "" || strings.ContainsFunc(name, notToken):
			return nil, fmt.Errorf("header field %q: want NAME: VALUE", h)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, fmt.Errorf("header field %q: its value has a control character", h)
		case slices.Contains(notSent, name):
			return nil, fmt.Errorf("header field %q: %s belongs to a connection, and there is none", h, name)
		case name == "host":
			r.Host = []byte(value)
		default:
			r.Header = append(r.Header, httpmsg.Field{Name: []byte(name), Value: []byte(value)})
		}
	}
	if r.Header.Get("user-agent") == nil {
		r.Header = append(r.Header, httpmsg.Field{Name: []byte("user-agent"), Value: []byte("nanofront-bus-call")})
	}
	return r, r.Check()
}

// newRequestID is what a front would have given a request, so that it can be
// found in the logs.
func newRequestID() []byte {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.AppendEncode(nil, raw[:])
}

func notToken(r rune) bool {
	alnum := '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// splitTarget brings a target to the form that docs/protocol.md wants: no dot
// segments, percent-encodings of unreserved characters decoded, the others in
// upper case; the query as it is.
func splitTarget(target string) (path, query string, err error) {
	u, perr := url.ParseRequestURI(target)
	if !strings.HasPrefix(target, "/") || perr != nil || strings.Contains(target, "#") {
		return "", "", fmt.Errorf("path %q: want one that begins with /, percent-encoded, with or without a query, such as /profile/42?lang=en", target)
	}
	for _, c := range []byte(target) {
		if c <= ' ' || c >= 0x7f {
			return "", "", fmt.Errorf("path %q: %q must be percent-encoded", target, c)
		}
	}
	raw := u.JoinPath().EscapedPath()
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' || i+2 >= len(raw) {
			b.WriteByte(raw[i])
			continue
		}
		code, _ := hex.DecodeString(raw[i+1 : i+3]) // ParseRequestURI has seen it
		if c := code[0]; notToken(rune(c)) || strings.IndexByte("!#$%&'*+^`|", c) >= 0 {
			b.WriteString(strings.ToUpper(raw[i : i+3]))
		} else {
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String(), u.RawQuery, nil
}
