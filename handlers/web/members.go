package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"nanofront/handlers"
)

// Bounds of GET /members' limit.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

var (
	idsPath = []byte("/ids")
	comma   = []byte(",")
	newline = []byte("\n")
)

// listing is one GET /members at work.
type listing struct {
	x     *handlers.Exchange
	city  string
	limit int
	page  bool

	// documents are the members' in the order of the ids; nil: missing. Each
	// is written by the end of its call, all are read by the last of those.
	documents [][]byte
	failure   atomic.Pointer[error] // of some call that failed
	left      atomic.Int32
}

// slot is one member of a listing.
type slot struct {
	l *listing
	i int
}

func (h *handler) getMembers(x *handlers.Exchange) {
	req := x.Request()
	l := &listing{x: x, city: req.Param("city"), limit: DefaultLimit, page: req.Header.PrefersHTML()}
	if l.city == "" {
		refuse(x, handlers.Status(400, "city is missing: ask for /members?city=Berlin, or another city"))
		return
	}
	if text := req.Param("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxLimit {
			refuse(x, handlers.Status(400, "limit is %.60q: want 1 to %d", text, MaxLimit))
			return
		}
		l.limit = n
	}
	c := handlers.AcquireCall()
	c.Request.Method, c.Request.Path = methodGET, idsPath
	c.Request.Query = fmt.Appendf(nil, "city=%s&limit=%d", url.QueryEscape(l.city), l.limit)
	c.User, c.Done = l, h.gotIDs
	h.start(x, c)
}

// onIDs goes on with the members themselves, in one batch.
func (h *handler) onIDs(c *handlers.Call) {
	l := c.User.(*listing) //nolint:forcetypeassert // set in getMembers
	defer c.Release()
	x := l.x
	if c.Err != nil {
		fail(x, c.Err)
		return
	}
	if c.Response.Status != 200 {
		passOn(x, &c.Response)
		return
	}
	ids, ok := parseIDs(c.Response.Body, l.limit)
	if !ok {
		x.Fail(fmt.Errorf("web: can't read profile's answer for ids: %.100q", c.Response.Body))
		return
	}
	if len(ids) == 0 {
		l.finish(h.now())
		return
	}
	left := budget(x)
	if left <= 0 {
		refuse(x, context.DeadlineExceeded)
		return
	}
	l.documents = make([][]byte, len(ids))
	l.left.Store(int32(len(ids))) // at most MaxLimit
	calls := make([]*handlers.Call, len(ids))
	for i, id := range ids {
		m := handlers.AcquireCall()
		m.Request.Method = methodGET
		m.Request.Path = append(bytes.Clone(profilePath), id...)
		m.User, m.Done, m.Patient = slot{l, i}, h.gotMember, x
		calls[i] = m
	}
	h.client.GoAll(calls, left)
}

// parseIDs reads a JSON list of at most limit numbers from 1 on; the results
// alias it.
func parseIDs(b []byte, limit int) ([][]byte, bool) {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return nil, false
	}
	b = bytes.TrimSpace(b[1 : len(b)-1])
	var ids [][]byte
	for more := len(b) > 0; more; {
		var id []byte
		id, b, more = bytes.Cut(b, comma)
		id = bytes.TrimSpace(id)
		if !isID(id) || len(ids) == limit {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// onMember takes one member; the last one ends the listing.
func (h *handler) onMember(c *handlers.Call) {
	s := c.User.(slot) //nolint:forcetypeassert // set in onIDs
	switch {
	case c.Err != nil:
		err := c.Err
		s.l.failure.Store(&err)
	case c.Response.Status == 200:
		s.l.documents[s.i] = bytes.Clone(bytes.TrimSuffix(c.Response.Body, newline))
	}
	c.Release()
	if s.l.left.Add(-1) == 0 {
		s.l.finish(h.now())
	}
}

// finish answers. Members that could not be had are left out and counted; if
// none could, that is a failure.
func (l *listing) finish(now time.Time) {
	there := make([][]byte, 0, len(l.documents))
	for _, d := range l.documents {
		if d != nil {
			there = append(there, d)
		}
	}
	missing := len(l.documents) - len(there)
	if len(there) == 0 {
		if err := l.failure.Load(); err != nil {
			fail(l.x, *err)
			return
		}
	}
	resp := l.x.Response()
	resp.Add(headerVary, varyAccept)
	aside(l.x, func() error {
		if l.page {
			addPageHeaders(resp)
			return membersPage(resp, l.city, there, missing, now)
		}
		return l.writeJSON(resp, there, missing)
	})
}

func (l *listing) writeJSON(resp *handlers.Response, there [][]byte, missing int) error {
	city, err := json.Marshal(l.city)
	if err != nil {
		return err
	}
	resp.Add(headerType, typeJSON)
	resp.Add(headerCache, noCache)
	b := resp.Body
	b = append(append(b, `{"city":`...), city...)
	b = strconv.AppendInt(append(b, `,"count":`...), int64(len(there)), 10)
	b = strconv.AppendInt(append(b, `,"missing":`...), int64(missing), 10)
	b = append(b, `,"members":[`...)
	for i, d := range there {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, d...)
	}
	b = append(b, "]}\n"...)
	resp.Body = b
	return nil
}
