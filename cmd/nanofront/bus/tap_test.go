package bus

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/httpmsg"
	"nanofront/internal/terminal"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

func copied(k wire.Kind, id uint64, at time.Duration, fixed int, payload []byte, keep int) *listen.Copy {
	body := append(make([]byte, fixed), payload...)
	c := &listen.Copy{
		Service: "s", Instance: "s-1", At: time.Unix(1_700_000_000, 0).Add(at), Peer: []byte("front"),
		Kind: k, ID: id, Length: 16 + len(body), Body: body,
	}
	if k == wire.KindRequest {
		binary.BigEndian.PutUint32(body, 2_500_000)
	} else {
		c.Direction = listen.Sent
	}
	if keep >= 0 {
		c.Body, c.Cut = body[:fixed+keep], true
	}
	return c
}

func request(id uint64, path string, keep int) *listen.Copy {
	r := httpmsg.Request{
		Method: []byte("GET"), Scheme: []byte("http"), Host: []byte("h"), Path: []byte(path), Query: []byte("q=1"),
		Header: httpmsg.Fields{{Name: []byte("accept"), Value: []byte("\x1b[31mred")}}, Body: []byte("line 1\nline 2"),
	}
	return copied(wire.KindRequest, id, 0, 4, r.AppendTo(nil), keep)
}

func response(id uint64, keep int) *listen.Copy {
	r := httpmsg.Response{Status: 404, Body: []byte{0xff, 0, 1}}
	r.Set("content-type", "image/png")
	return copied(wire.KindResponse, id, 1500*time.Microsecond, 16, r.AppendTo(nil), keep)
}

func TestDecoder_PairsHalves(t *testing.T) {
	d := decoder{pairs: newPairs(), full: true}
	req := d.decode(request(7, "/a", -1))
	if req.Method != "GET" || req.Path != "/a" || req.Query != "q=1" || req.Host != "h" || *req.Budget != 2_500_000 || req.ID != "0000000000000007" ||
		req.Direction != "in" || req.Body != "line 1\nline 2" || req.Latency != nil {
		t.Errorf("request: %+v", req)
	}
	other := request(7, "/b", -1) // the same id of another caller
	other.Peer = []byte("other")
	d.decode(other)
	resp := d.decode(response(7, -1))
	if resp.Status != 404 || resp.Latency == nil || *resp.Latency != 1500 || resp.Path != "/a" || resp.Direction != "out" || resp.BodyBase64 != "/wAB" {
		t.Errorf("response: %+v", resp)
	}
	if again := d.decode(response(7, -1)); again.Latency != nil {
		t.Errorf("a second response: %+v", again)
	}
}

func TestDecoder_WhatWasCut(t *testing.T) {
	d := decoder{pairs: newPairs()}
	for _, c := range []struct {
		keep               int
		method, path, host string
		notHTTP            bool
	}{
		{0, "", "", "", false},
		{4, "GET", "", "", false},
		{20, "GET", "/a", "h", false},
	} {
		r := d.decode(request(1, "/a", c.keep))
		if r.Method != c.method || r.Path != c.path || r.Host != c.host || r.NotHTTP || !r.Cut {
			t.Errorf("%d bytes of a request: %+v", c.keep, r)
		}
	}
	if r := d.decode(response(1, 2)); r.Status != 404 {
		t.Errorf("2 bytes of a response: %+v", r)
	}
	if r := d.decode(response(1, 0)); r.Status != 0 || r.NotHTTP {
		t.Errorf("nothing of a response: %+v", r)
	}
	if r := d.decode(copied(wire.KindRequest, 1, 0, 4, []byte("\xff?"), -1)); !r.NotHTTP {
		t.Errorf("no HTTP: %+v", r)
	}
	if r := d.decode(&listen.Copy{Kind: wire.KindResponse, Body: []byte("x")}); r.Queue != nil {
		t.Errorf("less than a response: %+v", r)
	}
}

func TestDecoder_Matches(t *testing.T) {
	d := decoder{pairs: newPairs(), match: "/api"}
	if d.decode(request(1, "/api/x", -1)) == nil || d.decode(copied(wire.KindCancel, 1, 0, 0, nil, -1)) == nil || d.decode(response(1, -1)) == nil {
		t.Error("what matches isn't shown")
	}
	if d.decode(request(2, "/other", -1)) != nil || d.decode(copied(wire.KindCancel, 2, 0, 0, nil, -1)) != nil || d.decode(response(2, -1)) != nil {
		t.Error("what doesn't match is shown")
	}
	if d.decode(&listen.Copy{Kind: listen.Kinds()[0]}) != nil {
		t.Error("what belongs to no request is shown")
	}
}

func TestPairs_ForgetTheOldest(t *testing.T) {
	p := newPairs()
	for i := range uint64(maxPairs + 10) {
		p.put(pairKey{id: i}, pair{method: fmt.Sprint(i), requestID: fmt.Sprint(i)})
	}
	if len(p.open) != maxPairs || len(p.hops) != maxPairs {
		t.Errorf("%d pairs, %d hops", len(p.open), len(p.hops))
	}
	if _, ok := p.take(pairKey{id: 9}); ok {
		t.Error("the oldest is still there")
	}
	if r, ok := p.take(pairKey{id: 10}); !ok || r.method != "10" {
		t.Error("another was forgotten")
	}
}

func TestPrinter_Lines(t *testing.T) {
	d := decoder{pairs: newPairs(), full: true}
	var out strings.Builder
	p := newPrinter(&out, false, false)
	p.print(d.decode(request(7, "/a", -1)))
	p.print(d.decode(response(7, -1)))
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"s-1 ← front  request   0000000000000007", "GET /a?q=1  budget 2.50 s", `accept: \x1b[31mred`, "    line 1\n    line 2\n",
		"s-1 → front  response  0000000000000007", "404  GET /a  queue 0 µs  work 0 µs  latency 1.50 ms", "ff 00 01",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q isn't in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a control character reaches the terminal")
	}
	out.Reset()
	p = newPrinter(&out, false, true)
	p.print(d.decode(response(7, -1)))
	if err := p.flush(); err != nil || !strings.Contains(out.String(), "\x1b[33m404\x1b[0m") {
		t.Errorf("no colour, %v: %q", err, out.String())
	}
}

func TestPrinter_JSON(t *testing.T) {
	d := decoder{pairs: newPairs(), full: true}
	var out strings.Builder
	p := newPrinter(&out, true, false)
	p.print(d.decode(request(7, "/a", -1)))
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v in %q", err, out.String())
	}
	if r["kind"] != "request" || r["path"] != "/a" || r["budget_us"] != 2_500_000.0 || r["peer"] != "front" {
		t.Errorf("got %v", r)
	}
}

// TestTap_LinksHops: copies from two instances come in the wrong order, and the second hop says
// which request it is for.
func TestTap_LinksHops(t *testing.T) {
	hop := func(c *listen.Copy, service, peer string) *listen.Copy {
		c.Service, c.Instance, c.Peer = service, service+"-1", []byte(peer)
		return c
	}
	asked := func(id uint64, at time.Duration) *listen.Copy {
		r := httpmsg.Request{Method: []byte("GET"), Path: []byte("/a"), Header: httpmsg.Fields{
			{Name: []byte("x-request-id"), Value: []byte("r-1")},
			{Name: []byte("traceparent"), Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		}}
		return copied(wire.KindRequest, id, at, 4, r.AppendTo(nil), -1)
	}
	var out, summed strings.Builder
	tap := &tap{o: TapOptions{Err: &summed}, printer: newPrinter(&out, true, false), summary: newSummary(), decoder: decoder{pairs: newPairs()}}
	for _, c := range []*listen.Copy{
		hop(asked(9, time.Millisecond), "profile", "web-1"),
		hop(asked(7, 0), "web", "front"),
		hop(response(7, -1), "web", "front"),
		hop(asked(8, 2*time.Millisecond), "profile", "web-1"), // when web has answered
	} {
		if err := tap.copied(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := tap.show(time.Now().Add(-time.Minute)); err != nil || out.Len() > 0 {
		t.Errorf("shown before its time: %v, %s", err, out.String())
	}
	if err := tap.show(time.Time{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.RequestID != "r-1" || r.TraceID != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("got %s", line)
		}
		got = append(got, r.Service+" "+r.Kind+" for "+strings.TrimLeft(r.Parent, "0"))
	}
	if want := "[web request for  profile request for 7 web response for  profile request for ]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if len(tap.decoder.pairs.hops) != 1 {
		t.Errorf("hops that are remembered: %v", tap.decoder.pairs.hops)
	}
}

func TestOrder_Bounded(t *testing.T) {
	var o order
	now := time.Now()
	for i := range 20 {
		o.put(&listen.Copy{At: now.Add(-time.Duration(i)), Body: make([]byte, 1<<20)}, now)
		if o.full() {
			o.take()
		}
	}
	if len(o.waiting) != 16 || o.bytes != 16<<20 {
		t.Errorf("%d wait, %d bytes", len(o.waiting), o.bytes)
	}
	last := time.Time{}
	for range 16 {
		c := o.due(time.Time{})
		if c.At.Before(last) {
			t.Error("out of order")
		}
		last = c.At
	}
	if o.due(time.Time{}) != nil {
		t.Error("there is more")
	}
}

func TestSummary_SaysWhatWasLost(t *testing.T) {
	var out strings.Builder
	newSummary().print(&out, listening.Losses{There: 15, Here: 1})
	if !strings.Contains(out.String(), "15 dropped by the instances, 1 here: a smaller --sample") {
		t.Errorf("got %q", out.String())
	}
}

func TestParseKinds(t *testing.T) {
	if kinds, err := ParseKinds([]string{"request", "ping"}); err != nil || len(kinds) != 2 || kinds[0] != wire.KindRequest {
		t.Errorf("got %v, %v", kinds, err)
	}
	if kinds, err := ParseKinds([]string{"all"}); err != nil || len(kinds) < 10 {
		t.Errorf("got %v, %v", kinds, err)
	}
	for _, bad := range [][]string{{"tap"}, {"requests"}, {}} {
		if kinds, err := ParseKinds(bad); err == nil {
			t.Errorf("%v: got %v", bad, kinds)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"plain ä €": "plain ä €", "a\nb": `a\nb`, "\x1b[0m": `\x1b[0m`, "\xff": `\xff`, "\u202e": `\u202e`, "": "",
	} {
		if got := terminal.Printable(text); got != want {
			t.Errorf("terminal.Printable(%q) = %q, want %q", text, got, want)
		}
	}
	if terminal.Count(1, "frame") != "1 frame" || terminal.Count(1000, "frame") != "1,000 frames" {
		t.Error("numbers")
	}
	if got := bar(50, 50, 100); got != strings.Repeat(" ", 20)+strings.Repeat("█", 20) {
		t.Errorf("bar %q", got)
	}
	if bar(0, 0, 100) != "" || bar(0, 5, 0) != "" || bar(10, 1, 1000) != "▏" {
		t.Error("bars of next to nothing")
	}
}
