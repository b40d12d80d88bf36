package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

func request(header ...string) *handlers.Request {
	r := &handlers.Request{Method: []byte("GET"), Path: []byte("/profile/42")}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header = append(r.Header, httpmsg.Field{Name: []byte(name), Value: []byte(value)})
	}
	return r
}

func TestNoneMatch(t *testing.T) {
	tag := []byte(`"7"`)
	for _, c := range []struct {
		value string
		want  bool
	}{
		{`"7"`, false},
		{`W/"7"`, false},
		{`*`, false},
		{`"6","7"`, false},
		{`"6" , W/"7" ,"8"`, false},
		{`"6"`, true},
		{`7`, true},
		{`"7-h"`, true},
		{``, true},
		{`,,`, true},
		{`"6,7"`, true},
		{`"a,"7"`, true},
		{`"`, true},
	} {
		if got := noneMatch(request("if-none-match: "+c.value), tag); got != c.want {
			t.Errorf("%s: got %v, want %v", c.value, got, c.want)
		}
	}
	if !noneMatch(request(), tag) {
		t.Error("without the field: the client is said to have it")
	}
}

func TestPageTag(t *testing.T) {
	page := appendPageTag(nil, []byte(`"7"`))
	if string(page) != `"7-h"` {
		t.Errorf("got %s", page)
	}
	if back := documentTags(append(page, `, "8"`...)); string(back) != `"7", "8"` {
		t.Errorf("back: got %s", back)
	}
	if got := appendPageTag(nil, nil); got != nil {
		t.Errorf("of no tag: got %s", got)
	}
}

func TestAppendAgo(t *testing.T) {
	const minute, hour, day = 60, 3600, 86400
	for _, c := range []struct {
		past int64
		want string
	}{
		{-5, "just now"},
		{0, "just now"},
		{59, "just now"},
		{minute, "a minute ago"},
		{119, "a minute ago"},
		{120, "2 minutes ago"},
		{hour - 1, "59 minutes ago"},
		{hour, "an hour ago"},
		{2 * hour, "2 hours ago"},
		{day - 1, "23 hours ago"},
		{day, "a day ago"},
		{29 * day, "29 days ago"},
		{30 * day, "a month ago"},
		{60 * day, "2 months ago"},
		{364 * day, "12 months ago"},
		{365 * day, "a year ago"},
		{800 * day, "2 years ago"},
	} {
		if got := string(appendAgo(nil, 1000, 1000+c.past)); got != c.want {
			t.Errorf("%d s: got %q, want %q", c.past, got, c.want)
		}
	}
}

func TestParseIDs(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"[]", "", true},
		{" [ ] \n", "", true},
		{"[1]", "1", true},
		{"[1, 22 ,333]", "1 22 333", true},
		{"", "", false},
		{"[", "", false},
		{"{}", "", false},
		{"[1,]", "", false},
		{"[,1]", "", false},
		{"[0]", "", false},
		{"[1,2,3,4]", "", false},
		{`["1"]`, "", false},
		{"[-1]", "", false},
		{"[[1]]", "", false},
	} {
		ids, ok := parseIDs([]byte(c.in), 3)
		if got := string(bytes.Join(ids, []byte(" "))); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %q, %v, want %q, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestCompose_IsJSONWhateverComes(t *testing.T) {
	for _, city := range []string{"", "Berlin", "S%C3%A3o+Paulo", `"},"x":{"`, "a b"} {
		from := &handlers.Response{Status: 200, Body: []byte(`{"id":42}`)}
		from.Set("etag", `"3"`)
		from.Set("x-city", city)
		from.Set("x-last-seen", "what?")
		var resp handlers.Response
		compose(&resp, []byte("42"), read(from), 1_000_000)
		var doc struct{ Links map[string]string }
		if err := json.Unmarshal(resp.Body, &doc); err != nil {
			t.Errorf("%q: %v in %s", city, err, resp.Body)
		}
		if got := doc.Links["city"]; strings.ContainsAny(got, "\" ") {
			t.Errorf("%q: got link %q", city, got)
		}
	}
}

func sample() *handlers.Response {
	from := &handlers.Response{Status: 200, Body: []byte(`{"id":42,"about":"` + strings.Repeat("nice ", 150) + `"}`)}
	from.Set("content-type", "application/json")
	from.Set("etag", `"3"`)
	from.Set("x-last-seen", "1700000000")
	from.Set("x-city", "S%C3%A3o+Paulo")
	return from
}

// serveOnce is what happens between the profile's answer and the encoding.
func serveOnce(req *handlers.Request, resp, from *handlers.Response) {
	resp.Reset()
	m := read(from)
	if req.Header.PrefersHTML() || !noneMatch(req, m.tag) {
		panic("not the path that is measured")
	}
	compose(resp, req.Path[len(profilePath):], m, time.Now().Unix())
}

func TestCompose_NoAllocations(t *testing.T) {
	req, from := request("accept: */*", "user-agent: wrk", `if-none-match: "2"`), sample()
	var resp handlers.Response
	serveOnce(req, &resp, from)
	if n := testing.AllocsPerRun(100, func() { serveOnce(req, &resp, from) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCompose(b *testing.B) {
	req, from := request("accept: */*", "user-agent: wrk"), sample()
	var resp handlers.Response
	b.ReportAllocs()
	for b.Loop() {
		serveOnce(req, &resp, from)
	}
}

func BenchmarkPage(b *testing.B) {
	doc := []byte(`{"id":42,"nickname":"Ada","city":"Berlin","country":"Germany","interests":["chess","tea"],"about":"` +
		strings.Repeat("nice ", 100) + `","birthday":"1990-01-01","last_seen":"2026-01-01T00:00:00Z","version":1}`)
	b.ReportAllocs()
	for b.Loop() {
		var resp handlers.Response
		if err := profilePage(&resp, doc, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTranslate(t *testing.T) {
	other := errors.New("other")
	for _, c := range []struct {
		err    error
		method string
		want   error
	}{
		{nanobus.ErrTimeout, "GET", nanobus.ErrTimeout},
		{nanobus.ErrCancelled, "GET", context.Canceled},
		{&nanobus.RemoteError{Code: nanobus.CodeExpired}, "GET", context.DeadlineExceeded},
		{&nanobus.RemoteError{Code: nanobus.CodeDraining}, "GET", handlers.ErrUnavailable},
		{&nanobus.RemoteError{Code: nanobus.CodeOverWindow}, "PUT", handlers.ErrUnavailable},
		{other, "GET", other},
	} {
		if got := translate(c.err, c.method); !errors.Is(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		var status *handlers.StatusError
		if got := translate(fmt.Errorf("x: %w", nanobus.ErrLinkDown), method); !errors.As(got, &status) || status.Status != 502 {
			t.Errorf("%s on a broken link: got %v, want 502", method, got)
		}
	}
}

func TestEvents_KeepsTheLast(t *testing.T) {
	e := newEvents(metrics.New(metrics.Handler, "t"), time.Now)
	e.self = "me"
	for i := 1; i <= KeptEvents+50; i++ {
		e.received(nanobus.Event{Payload: fmt.Appendf(nil, `{"id":%d,"version":2,"from":"other"}`, i)})
	}
	e.received(nanobus.Event{Payload: []byte(`{"id":7,"version":3,"from":"me"}`)})
	for _, bad := range []string{"", "x", "{}", "[]", `{"id":-1}`, "null"} {
		e.received(nanobus.Event{Payload: []byte(bad)})
	}
	list := e.last()
	if len(list) != KeptEvents || list[0].ID != 7 || list[1].ID != KeptEvents+50 || list[len(list)-1].ID != 52 {
		t.Errorf("got %d events, first %+v, last %+v", len(list), list[0], list[len(list)-1])
	}
	if n := e.others.Value(); n != KeptEvents+50 {
		t.Errorf("received from others: got %d", n)
	}
}

func TestContained_TurnsAPanicIntoAnError(t *testing.T) {
	if err := contained(func() error { panic("oops") }); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("got %v", err)
	}
}

func TestMember_Age(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		birthday string
		want     int
	}{{"1990-11-20", 36}, {"1990-11-21", 35}, {"1990-12-01", 35}, {"2026-11-20", 0}, {"2030-01-01", 0}, {"", 0}, {"x", 0}} {
		if got := (&member{Birthday: c.birthday, now: now}).Age(); got != c.want {
			t.Errorf("%q: got %d, want %d", c.birthday, got, c.want)
		}
	}
}

func TestPhoto_IsXML(t *testing.T) {
	for _, id := range []int64{1, 2, 42, 999_999_999_999} {
		got := string(appendPhoto(nil, id))
		if !strings.HasPrefix(got, "<svg ") || !strings.HasSuffix(got, "</svg>") {
			t.Errorf("%d: got %s", id, got)
		}
	}
}
