package web

import (
	"bytes"
	"strconv"

	"nanofront/handlers"
	"nanofront/httpmsg"
)

// maxBody is the longest body of a PUT that is passed on, in bytes: what
// profile takes.
const maxBody = 16 << 10

func (h *handler) getProfile(x *handlers.Exchange) {
	c := handlers.AcquireCall()
	c.Request.Method, c.Request.Path = methodGET, x.Request().Path
	c.User, c.Done = x, h.gotProfile
	h.start(x, c)
}

// onProfile ends a GET.
func (h *handler) onProfile(c *handlers.Call) {
	x := c.User.(*handlers.Exchange) //nolint:forcetypeassert // set in getProfile
	switch {
	case c.Err != nil:
		fail(x, c.Err)
	case c.Response.Status != 200:
		passOn(x, &c.Response)
	default:
		h.present(x, &c.Response)
	}
	c.Release()
}

// present answers with the representation that the client prefers, or with
// none if it has that already.
func (h *handler) present(x *handlers.Exchange, from *handlers.Response) {
	req, resp := x.Request(), x.Response()
	m := read(from)
	page := req.Header.PrefersHTML()
	tag := m.tag
	var space [32]byte
	if page {
		tag = appendPageTag(space[:0], m.tag)
	}
	if len(tag) > 0 && !noneMatch(req, tag) {
		resp.Status = 304
		setBytes(resp, "etag", tag)
		resp.Add(headerCache, noCache)
		resp.Add(headerVary, varyAccept)
		x.Done()
		return
	}
	id := req.Path[len(profilePath):]
	if !page {
		compose(resp, id, m, h.now().Unix())
		x.Done()
		return
	}
	setBytes(resp, "etag", tag)
	document, seen := bytes.Clone(m.document), h.now()
	aside(x, func() error {
		resp.Add(headerVary, varyAccept)
		addPageHeaders(resp)
		return profilePage(resp, document, seen)
	})
}

// record is what the profile service tells of a member. It aliases the answer.
type record struct {
	document []byte
	tag      []byte
	city     []byte // percent-encoded; empty if not known
	lastSeen int64  // Unix seconds
}

func read(from *handlers.Response) record {
	m := record{document: bytes.TrimSuffix(from.Body, newline)}
	for i := range from.Header {
		f := &from.Header[i]
		switch string(f.Name) {
		case "etag":
			m.tag = f.Value
		case "x-last-seen":
			m.lastSeen = parseInt(f.Value)
		case "x-city":
			if isEncoded(f.Value) {
				m.city = f.Value
			}
		}
	}
	return m
}

// parseInt reads a decimal of at most 18 digits; 0 if it isn't one.
func parseInt(b []byte) int64 {
	if len(b) > 18 {
		return 0
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// isEncoded reports whether the bytes are percent-encoded, as the header says:
// they are put between quotes unseen.
func isEncoded(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '%', c == '+', c == '-', c == '_', c == '.', c == '~':
		default:
			return false
		}
	}
	return true
}

// compose answers with the document and what is known here of it. This is the
// path that all measurements are about: nothing is parsed, nothing allocated
// (TestCompose_NoAllocations, BenchmarkCompose).
func compose(resp *handlers.Response, id []byte, m record, now int64) {
	resp.Add(headerType, typeJSON)
	setBytes(resp, "etag", m.tag)
	resp.Add(headerCache, noCache)
	resp.Add(headerVary, varyAccept)
	b := resp.Body
	b = append(b, `{"member":`...)
	b = append(b, m.document...)
	b = append(b, `,"links":{"self":"/profile/`...)
	b = append(b, id...)
	b = append(b, `","photo":"/photo/`...)
	b = append(b, id...)
	b = append(b, `.svg"`...)
	if len(m.city) > 0 {
		b = append(b, `,"city":"/members?city=`...)
		b = append(b, m.city...)
		b = append(b, '"')
	}
	b = append(b, `},"seen":"`...)
	b = appendAgo(b, m.lastSeen, now)
	b = append(b, "\"}\n"...)
	resp.Body = b
}

// setBytes is Response.Set for bytes that don't stay.
func setBytes(resp *handlers.Response, name string, value []byte) {
	if len(value) <= 32 { // the compiler keeps such a string on the stack
		resp.Set(name, string(value))
		return
	}
	resp.Add([]byte(name), bytes.Clone(value))
}

func (h *handler) putProfile(x *handlers.Exchange) {
	req := x.Request()
	if len(req.Body) > maxBody {
		refuse(x, handlers.Status(413, "the body is %d bytes long: want at most %d", len(req.Body), maxBody))
		return
	}
	c := handlers.AcquireCall()
	c.Request.Method, c.Request.Path, c.Request.Body = methodPUT, req.Path, req.Body
	for _, f := range req.Header {
		if string(f.Name) == "if-match" {
			c.Request.Header = append(c.Request.Header, httpmsg.Field{Name: f.Name, Value: documentTags(f.Value)})
		}
	}
	c.User, c.Done = x, h.gotChange
	h.start(x, c)
}

// onChange ends a PUT.
func (h *handler) onChange(c *handlers.Call) {
	x := c.User.(*handlers.Exchange) //nolint:forcetypeassert // set in putProfile
	switch {
	case c.Err != nil:
		fail(x, c.Err)
	case c.Response.Status != 200:
		passOn(x, &c.Response)
	default:
		m := read(&c.Response)
		id := x.Request().Path[len(profilePath):]
		h.announce(id, m.tag)
		compose(x.Response(), id, m, h.now().Unix())
		x.Done()
	}
	c.Release()
}

// announce publishes that a member has a new version.
func (h *handler) announce(id, tag []byte) {
	n, err := strconv.ParseUint(string(id), 10, 64)
	if err != nil {
		return // 19 digits of 9: no store has such an id
	}
	version, _ := strconv.ParseUint(string(bytes.Trim(tag, `"`)), 10, 64)
	h.events.send(n, version)
}
