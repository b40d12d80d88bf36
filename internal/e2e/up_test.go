package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestUp_WholeSystem goes through what a person sees of one system, from its
// start to ctrl-C under load, and starts another on the same data.
func TestUp_WholeSystem(t *testing.T) {
	statsd := startStatsd(t)
	data := filepath.Join(t.TempDir(), "data") // made by up
	s := startUpIn(t, data, "--statsd", statsd.addr())

	for _, c := range []struct {
		name string
		test func(*testing.T, *system)
	}{
		{"pages", testPages},
		{"member", testMember},
		{"change", testChange},
		{"HEAD", testHead},
		{"status", testStatus},
		{"routes", testRoutes},
		{"StatsD", func(t *testing.T, s *system) { testStatsd(t, s, statsd) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
	if t.Failed() {
		return
	}
	t.Run("ctrl-C under load", func(t *testing.T) { testInterrupt(t, s) })
	t.Run("again on the same data", func(t *testing.T) {
		again := startUpIn(t, data)
		got := ask(t, again.http, get("/profile/7"))
		got.wants(t, 200, "GET /profile/7")
		// Members that are made up anew would be at version 1.
		if !strings.Contains(got.body, `"version":2`) || !strings.Contains(got.body, "I was changed") {
			t.Errorf("the change of the first run is lost: %s", got.body)
		}
		again.signal(t, syscall.SIGTERM)
		if code := again.wait(t, testutil.Patience); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
	})
}

func testPages(t *testing.T, s *system) {
	home := ask(t, s.http, get("/"))
	home.wants(t, 200, "GET /")
	if !strings.HasPrefix(home.header.Get("Content-Type"), "text/html") || !strings.Contains(home.body, "nanofront") {
		t.Errorf("GET /: type %q, body %.200q", home.header.Get("Content-Type"), home.body)
	}
	greeting := ask(t, s.http, get("/hello"))
	greeting.wants(t, 200, "GET /hello")
	if len(greeting.body) != 512 || greeting.length != 512 {
		t.Errorf("GET /hello: %d bytes, Content-Length %d, want 512", len(greeting.body), greeting.length)
	}
	if icon := ask(t, s.http, get("/favicon.ico")); icon.status != 204 || icon.body != "" || icon.header.Get("Content-Length") != "" {
		t.Errorf("GET /favicon.ico: status %d, %d bytes, Content-Length %q; want a bare 204", icon.status, len(icon.body), icon.header.Get("Content-Length"))
	}

	var member struct {
		Member struct{ City string }
		Links  struct{ City string }
	}
	decode(t, ask(t, s.http, get("/profile/42")).body, &member)
	list := ask(t, s.http, get(member.Links.City+"&limit=5"))
	list.wants(t, 200, "GET "+member.Links.City)
	var members struct {
		City           string
		Count, Missing int
		Members        []struct{ City string }
	}
	decode(t, list.body, &members)
	if members.Count < 1 || members.Count > 5 || len(members.Members) != members.Count || members.Missing != 0 {
		t.Errorf("members of %s: count %d, missing %d, listed %d", member.Member.City, members.Count, members.Missing, len(members.Members))
	}
	for _, m := range members.Members {
		if m.City != member.Member.City {
			t.Errorf("a member of %s among those of %s", m.City, member.Member.City)
		}
	}
	for target, want := range map[string]int{"/members": 400, "/members?city=Berlin&limit=0": 400, "/nothing": 404, "/profile/0": 400, "/profile/501": 404, "/profile/x": 400} {
		got := ask(t, s.http, get(target))
		got.wants(t, want, "GET "+target)
		got.isError(t, "GET "+target)
	}
}

func testMember(t *testing.T, s *system) {
	got := ask(t, s.http, get("/profile/42"))
	got.wants(t, 200, "GET /profile/42")
	var doc struct {
		Member struct {
			ID, Version                   int
			Nickname, City, Country, Bday string
			About                         string
		}
		Links struct{ Self, Photo string }
		Seen  string
	}
	decode(t, got.body, &doc)
	if doc.Member.ID != 42 || doc.Member.Version != 1 || doc.Member.Nickname == "" || len(doc.Member.About) < 200 || len(doc.Member.About) > 800 {
		t.Errorf("member 42: %+v", doc.Member)
	}
	if doc.Links.Self != "/profile/42" || !strings.Contains(doc.Seen, "ago") {
		t.Errorf("what the aggregator adds: links %+v, seen %q", doc.Links, doc.Seen)
	}
	if got.header.Get("Content-Type") != "application/json" || got.header.Get("ETag") != `"1"` || got.header.Get("Vary") != "Accept" {
		t.Errorf("header of the JSON: %v", got.header)
	}
	ask(t, s.http, get(doc.Links.Photo)).wants(t, 200, "the photo")

	page := ask(t, s.http, get("/profile/42", "Accept: text/html"))
	page.wants(t, 200, "the page of 42")
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, doc.Member.Nickname) {
		t.Errorf("the page of 42: type %q, body %.200q", page.header.Get("Content-Type"), page.body)
	}
	if page.header.Get("ETag") == got.header.Get("ETag") {
		t.Errorf("page and JSON have the same tag %s", page.header.Get("ETag"))
	}
	for _, c := range []struct {
		tag    string
		accept string
		want   int
	}{
		{got.header.Get("ETag"), "application/json", 304},
		{"W/" + got.header.Get("ETag"), "application/json", 304},
		{`"0", ` + got.header.Get("ETag"), "application/json", 304},
		{"*", "application/json", 304},
		{`"2"`, "application/json", 200},
		{page.header.Get("ETag"), "text/html", 304},
		{got.header.Get("ETag"), "text/html", 200},
	} {
		what := "If-None-Match: " + c.tag + " of " + c.accept
		r := ask(t, s.http, get("/profile/42", "If-None-Match: "+c.tag, "Accept: "+c.accept))
		r.wants(t, c.want, what)
		if c.want == 304 && (r.body != "" || r.header.Get("ETag") == "" || r.header.Get("Content-Length") != "") {
			t.Errorf("%s: 304 with %d bytes, header %v", what, len(r.body), r.header)
		}
	}
}

func testChange(t *testing.T, s *system) {
	put := func(body string, header ...string) response {
		return ask(t, s.http, request{method: "PUT", target: "/profile/7", header: header, body: body})
	}
	const change = `{"about":"I was changed"}`
	for _, c := range []struct {
		name, body string
		header     []string
		want       int
	}{
		{"without If-Match", change, nil, 428},
		{"stale", change, []string{`If-Match: "9"`}, 412},
		{"not JSON", "about", []string{`If-Match: "1"`}, 400},
		{"unknown field", `{"shoe_size":43}`, []string{`If-Match: "1"`}, 400},
		{"too large", `{"about":"` + strings.Repeat("x", 20<<10) + `"}`, []string{`If-Match: "1"`}, 413},
	} {
		r := put(c.body, c.header...)
		r.wants(t, c.want, "PUT "+c.name)
		r.isError(t, "PUT "+c.name)
	}
	got := put(change, `If-Match: "1"`)
	got.wants(t, 200, "PUT")
	if got.header.Get("ETag") != `"2"` || !strings.Contains(got.body, "I was changed") {
		t.Errorf("PUT: tag %s, body %s", got.header.Get("ETag"), got.body)
	}
	if r := put(change, `If-Match: "1"`); r.status != 412 || !strings.Contains(r.isError(t, "second PUT"), "version 2") {
		t.Errorf("PUT with the tag of before: status %d, %s", r.status, r.body)
	}
	if r := ask(t, s.http, get("/profile/7")); r.header.Get("ETag") != `"2"` || !strings.Contains(r.body, "I was changed") {
		t.Errorf("GET after PUT: tag %s, body %s", r.header.Get("ETag"), r.body)
	}
	r := ask(t, s.http, request{method: "DELETE", target: "/profile/7"})
	r.wants(t, 405, "DELETE /profile/7")
	if r.header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	// Both instances of web hear of the change, whichever of them made it: the
	// one that didn't a moment later.
	testutil.Eventually(t, "either instance of web knows of an event", func() bool {
		for range 8 { // some of these requests get to either
			var events struct{ Events []json.RawMessage }
			decode(t, ask(t, s.http, get("/events")).body, &events)
			if len(events.Events) == 0 {
				return false
			}
		}
		return true
	})
}

func testHead(t *testing.T, s *system) {
	for _, target := range []string{"/profile/42", "/", "/hello", "/members?city=Berlin", "/nothing"} {
		full := ask(t, s.http, get(target))
		// On a connection that is used further: a body would be taken for the next answer.
		c := client{addr: s.http}
		head, f := c.do(request{method: "HEAD", target: target})
		if f != nil {
			t.Fatal(f)
		}
		again, f := c.do(get("/hello"))
		c.close()
		if f != nil || again.status != 200 || len(again.body) != 512 {
			t.Errorf("HEAD %s: the answer after it: %d, %d bytes, %v", target, again.status, len(again.body), f)
		}
		if head.status != full.status || head.body != "" || head.header.Get("Content-Length") != strconv.Itoa(len(full.body)) ||
			head.header.Get("Content-Type") != full.header.Get("Content-Type") {
			t.Errorf("HEAD %s: status %d, header %v; GET: status %d, %d bytes, header %v", target, head.status, head.header, full.status, len(full.body), full.header)
		}
	}
}

func testStatus(t *testing.T, s *system) {
	l := startLoad(t, s.http, 2, reading)
	l.more(t, 100)
	f := s.nanofront(t, "status", "--terminators", s.admin)
	o := status(t, s.etcd, s.admin)
	l.stop().allOK(t)

	if f.code != 0 {
		t.Fatalf("status: exit code %d:\n%s", f.code, f.out)
	}
	for _, want := range []string{"terminator  ", "terminator-1", "service", "window", "p99", "echo-1", "profile-1", "web-1", "web-2", "serving", "1,024", "of the last 10 s"} {
		if !strings.Contains(f.out, want) {
			t.Errorf("status doesn't show %s:\n%s", want, f.out)
		}
	}
	if len(o.Terminators) != 1 || o.Terminators[0].Error != "" || o.Terminators[0].Rate <= 0 || len(o.Terminators[0].Links) != 3 {
		t.Errorf("status --json: terminators %+v", o.Terminators)
	}
	services := map[string]int{}
	for _, in := range o.Instances {
		services[in.Service]++
		window := 1024
		if in.Service == "profile" {
			window = 4096
		}
		if in.Rate == nil || in.Service == "profile" && *in.Rate <= 0 || in.Window != window {
			t.Errorf("status --json: instance %+v", in)
		}
	}
	if fmt.Sprint(services) != "map[echo:1 profile:1 web:2]" {
		t.Errorf("status --json: services %v", services)
	}

	f = s.nanofront(t, "status", "--terminators", freeAddr(t))
	if f.code != 1 || !strings.Contains(f.out, "no answer") || !strings.Contains(f.out, "web-2") {
		t.Errorf("status with a terminator that isn't there: exit code %d:\n%s", f.code, f.out)
	}
}

var revisionShown = regexp.MustCompile(`revision (\d+)`)

func testRoutes(t *testing.T, s *system) {
	shown := s.nanofront(t, "routes", "get")
	if shown.code != 0 || !strings.Contains(shown.out, "/hello") || !strings.Contains(shown.out, "/echo/*") {
		t.Fatalf("routes get: exit code %d:\n%s", shown.code, shown.out)
	}
	m := revisionShown.FindStringSubmatch(shown.out)
	if m == nil {
		t.Fatalf("routes get shows no revision:\n%s", shown.out)
	}
	document := s.nanofront(t, "routes", "get", "--json")
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	original := file("original.json", document.out)
	greet := file("greet.yaml", "version: 1\nroutes:\n  - {match: {path: /greet}, service: echo}\n  - {match: {path: /hello}, service: echo}\n  - {match: {prefix: /echo}, service: echo}\n  - {match: {prefix: /}, service: web}\n")
	bad := file("bad.yaml", "version: 1\nroutes:\n  - {match: {path: nowhere}, service: Echo, timeout: 5}\n")

	before := ask(t, s.http, get("/greet"))
	before.wants(t, 404, "/greet before there is a route")
	if f := s.nanofront(t, "routes", "apply", greet, "--dry-run"); f.code != 0 || !strings.Contains(f.out, "is valid") {
		t.Errorf("apply --dry-run: exit code %d: %s", f.code, f.out)
	}
	if f := s.nanofront(t, "routes", "apply", greet, "--revision", "1"); f.code != 1 || !strings.Contains(f.out, "revision "+m[1]) && !strings.Contains(f.out, m[1]) {
		t.Errorf("apply with a stale revision: exit code %d, want 1 and the present revision %s: %s", f.code, m[1], f.out)
	}
	f := s.nanofront(t, "routes", "apply", bad)
	if f.code != 1 {
		t.Errorf("apply of a bad file: exit code %d, want 1: %s", f.code, f.out)
	}
	for _, want := range []string{"bad.yaml", "routes[0]", "path", "service", "timeout"} {
		if !strings.Contains(f.out, want) {
			t.Errorf("apply of a bad file doesn't name %s: %s", want, f.out)
		}
	}
	ask(t, s.http, get("/greet")).wants(t, 404, "/greet after refused documents")

	if f := s.nanofront(t, "routes", "apply", greet, "--revision", m[1]); f.code != 0 || !strings.Contains(f.out, "4 routes") {
		t.Errorf("apply: exit code %d: %s", f.code, f.out)
	}
	testutil.Eventually(t, "the new route is in force", func() bool { return ask(t, s.http, get("/greet")).status == 200 })
	if f := s.nanofront(t, "routes", "apply", original); f.code != 0 {
		t.Errorf("apply of what routes get --json printed: exit code %d: %s", f.code, f.out)
	}
	testutil.Eventually(t, "the old routes are in force", func() bool { return ask(t, s.http, get("/greet")).status == 404 })
}

func testStatsd(t *testing.T, s *system, statsd *statsdServer) {
	for _, who := range []string{"terminator.terminator-1", "handler.profile-1", "handler.web-1", "handler.web-2", "handler.echo-1", "nanofront.etcd"} {
		testutil.Eventually(t, "StatsD lines from "+who, func() bool { return statsd.from(who) })
	}
	l := startLoad(t, s.http, 4, mixed)
	for _, line := range []string{
		"terminator http.requests c", "terminator http.status.2xx c", "terminator http.in_flight g",
		"terminator stage.total.count c", "terminator stage.total.p99 g", "terminator upstream.web.within.25ms c",
		"terminator upstream.web.requests c", "terminator upstream.web.instances g", "terminator bus.frames_out c",
		"terminator etcd.connected g", "terminator process.goroutines g",
		"handler requests c", "handler responses.2xx c", "handler service_time.p50 g", "handler store.reads c",
		"handler store.writes c", "handler store.write_time.count c", "handler events.published c", "handler events.received c",
		"nanofront process.heap_bytes g", "nanofront statsd.sent c",
	} {
		testutil.Eventually(t, "the StatsD line "+line, func() bool { return statsd.has(line) })
	}
	l.stop().allOK(t)
	statsd.check(t)
}

// testInterrupt: what was accepted is answered, and nothing stays behind.
func testInterrupt(t *testing.T, s *system) {
	pids := children(t, s.pid())
	if len(pids) != 6 {
		t.Fatalf("children of up: %v, want 6", pids)
	}
	l := startLoad(t, s.http, 16, mixed)
	l.more(t, 500)
	var echo string // its admin port: the load goes elsewhere
	for _, in := range status(t, s.etcd, s.admin).Instances {
		if in.Service == "echo" {
			echo = in.Admin
		}
	}
	var long []<-chan result
	for range 8 {
		long = append(long, slept(s.http, "POST", 2*time.Second))
	}
	testutil.Eventually(t, "the long requests are at work", func() bool {
		return figures(t, echo).Gauges["in_flight"] == 8
	})

	began := time.Now()
	s.signal(t, syscall.SIGINT)
	code := s.wait(t, testutil.Patience)
	if took := time.Since(began); took > within(10*time.Second, 30*time.Second) {
		t.Errorf("ended after %v", took.Round(time.Millisecond))
	}
	l.stop()

	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	l.onlyStatus(t, 200)
	l.onlyFailures(t, dialRefused, notAccepted)
	if n := l.failures[dialRefused]; n == 0 {
		t.Error("no connection was refused: the load didn't go on to the end")
	}
	for _, done := range long {
		if r := <-done; r.failed != nil || r.status != 200 {
			t.Errorf("a request that was in flight: status %d, %v", r.status, r.failed)
		}
	}
	for name, pid := range pids {
		if alive(pid) {
			t.Errorf("%s (%d) is still there", name, pid)
		}
	}
	for _, addr := range []string{s.http, s.admin, strings.TrimPrefix(s.etcd, "http://")} {
		refused(t, addr)
	}
	if s.out.has("killing it") {
		t.Errorf("a child had to be killed:\n%s", s.out.tail())
	}
}

func decode(t *testing.T, body string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%v in %.300q", err, body)
	}
}
