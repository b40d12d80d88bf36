package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/handlers/profile"
	"nanofront/handlers/web"
	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is profile and some instances of web over the real bus.
type system struct {
	*handlertest.Caller
	discovery   *handlertest.Discovery
	stopProfile func()
}

// start starts one web instance unless told otherwise.
func start(t testing.TB, instances ...string) *system {
	t.Helper()
	if len(instances) == 0 {
		instances = []string{"web-1"}
	}
	d := handlertest.NewDiscovery()
	s := &system{discovery: d}
	s.stopProfile = testutil.Start(t, "profile", func(ctx context.Context) error {
		return profile.Run(ctx, handlers.Options{Instance: "profile-1", Discovery: d},
			profile.Options{Data: t.TempDir(), Seed: 2000, Durability: profile.DurabilityNoSync, CacheBytes: 16 << 20})
	})
	for _, in := range instances {
		role, err := web.New(handlers.Options{Instance: in, Discovery: d})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Start(t, in, role.Run)
		testutil.Eventually(t, in+" is ready", func() bool { return role.Runtime().Ready() == nil })
	}
	s.Caller = handlertest.NewCaller(t, d, "web")
	return s
}

func TestProfile_JSON(t *testing.T) {
	s := start(t)
	for _, accept := range []string{"", "accept: */*", "accept: application/json", "accept: text/html;q=0.4, */*;q=0.5"} {
		var headers []string
		if accept != "" {
			headers = append(headers, accept)
		}
		got := s.Get(t, "web", "/profile/42", headers...)
		if got.Status != 200 || got.Header["content-type"] != "application/json" {
			t.Fatalf("%s: got %d, %v", accept, got.Status, got.Header)
		}
		if got.Header["etag"] != `"1"` || got.Header["vary"] != "Accept" || got.Header["cache-control"] != "no-cache" {
			t.Errorf("%s: headers %v", accept, got.Header)
		}
		var doc struct {
			Member profile.Member
			Links  map[string]string
			Seen   string
		}
		if err := json.Unmarshal(got.Body, &doc); err != nil {
			t.Fatalf("%v in %s", err, got.Body)
		}
		want := profile.Generate(42)
		if doc.Member.Nickname != want.Nickname || doc.Member.About != want.About || doc.Links["self"] != "/profile/42" ||
			!strings.HasPrefix(doc.Links["city"], "/members?city=") || !strings.HasSuffix(doc.Seen, "ago") {
			t.Errorf("%s: got %s", accept, got.Body)
		}
	}
}

func TestProfile_Page(t *testing.T) {
	s := start(t)
	got := s.Get(t, "web", "/profile/42", "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if got.Status != 200 || got.Header["content-type"] != "text/html; charset=utf-8" || got.Header["etag"] != `"1-h"` || got.Header["vary"] != "Accept" {
		t.Fatalf("got %d, %v", got.Status, got.Header)
	}
	for _, want := range []string{"<!doctype html>", profile.Generate(42).Nickname, "prefers-color-scheme"} {
		if !strings.Contains(string(got.Body), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

func TestProfile_IfNoneMatch(t *testing.T) {
	s := start(t)
	html := "accept: text/html"
	for _, c := range []struct {
		headers []string
		status  int
		tag     string
	}{
		{[]string{`if-none-match: "1"`}, 304, `"1"`},
		{[]string{`if-none-match: W/"1"`}, 304, `"1"`},
		{[]string{`if-none-match: "7", "1"`}, 304, `"1"`},
		{[]string{`if-none-match: *`}, 304, `"1"`},
		{[]string{`if-none-match: "2"`}, 200, `"1"`},
		{[]string{`if-none-match: "1-h"`}, 200, `"1"`},
		{[]string{`if-none-match: "1-h"`, html}, 304, `"1-h"`},
		{[]string{`if-none-match: "1"`, html}, 200, `"1-h"`},
	} {
		got := s.Get(t, "web", "/profile/7", c.headers...)
		if got.Status != c.status || got.Header["etag"] != c.tag {
			t.Errorf("%q: got %d with %s, want %d with %s", c.headers, got.Status, got.Header["etag"], c.status, c.tag)
		}
		if got.Status == 304 && len(got.Body) > 0 {
			t.Errorf("%q: 304 with a body of %d bytes", c.headers, len(got.Body))
		}
	}
}

func TestWeb_Statuses(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		method, target, body string
		header               []string
		status               int
		want                 string
	}{
		{"GET", "/", "", nil, 200, "This page came by bus"},
		{"HEAD", "/", "", nil, 200, ""},
		{"POST", "/", "", nil, 405, "not possible"},
		{"GET", "/favicon.ico", "", nil, 204, ""},
		{"GET", "/photo/42.svg", "", nil, 200, "<svg"},
		{"GET", "/photo/x.svg", "", nil, 404, "no photo"},
		{"GET", "/events", "", nil, 200, `"instance":"web-1"`},
		{"GET", "/nowhere", "", nil, 404, "/nowhere"},
		{"HEAD", "/profile/3", "", nil, 200, ""},
		{"GET", "/profile/999999", "", nil, 404, "no member 999999"},
		{"GET", "/profile/0", "", nil, 400, "number from 1"},
		{"GET", "/profile/042", "", nil, 400, "number from 1"},
		{"GET", "/profile/4%32", "", nil, 400, "number from 1"},
		{"GET", "/profile/", "", nil, 400, "number from 1"},
		{"GET", "/profile/9999999999999999999", "", nil, 404, "no member"},
		{"DELETE", "/profile/3", "", nil, 405, "not possible"},
		{"GET", "/members", "", nil, 400, "city is missing"},
		{"GET", "/members?city=Berlin&limit=0", "", nil, 400, "1 to 100"},
		{"GET", "/members?city=Berlin&limit=101", "", nil, 400, "1 to 100"},
		{"GET", "/members?city=Berlin&limit=x", "", nil, 400, "1 to 100"},
		{"GET", "/members?city=Nowhere", "", nil, 200, `"count":0`},
		{"PUT", "/profile/3", `{"nickname":"x"}`, nil, 428, "If-Match"},
		{"PUT", "/profile/3", `{"nickname":"x"}`, []string{`if-match: "9"`}, 412, "at version 1 now"},
		{"PUT", "/profile/3", `{"nickname":""}`, []string{`if-match: "1"`}, 400, "nickname is 0 characters"},
		{"PUT", "/profile/3", strings.Repeat("x", 16<<10+1), []string{`if-match: "1"`}, 413, "at most 16384"},
		{"PUT", "/profile/999999", `{"nickname":"x"}`, []string{`if-match: *`}, 404, "no member"},
	} {
		got := s.Must(t, "web", c.method, c.target, c.body, c.header...)
		if got.Status != c.status || !strings.Contains(string(got.Body), c.want) {
			t.Errorf("%s %s %q: got %d %.200s, want %d with %q", c.method, c.target, c.header, got.Status, got.Body, c.status, c.want)
		}
		if got.Status == 405 && got.Header["allow"] == "" {
			t.Errorf("%s %s: 405 without Allow", c.method, c.target)
		}
	}
}

func TestProfile_ChangeIsSeenAndHeardOf(t *testing.T) {
	s := start(t, "web-1", "web-2")
	// Both web instances must hear each other before the change is made.
	testutil.Eventually(t, "an event of one instance at the other", func() bool {
		got := s.Must(t, "web", "PUT", "/profile/1", `{"about":"probe"}`, "if-match: *")
		if got.Status != 200 {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
		return heardBy(t, s, "web-1", 1) && heardBy(t, s, "web-2", 1)
	})
	got := s.Must(t, "web", "PUT", "/profile/42", `{"nickname":"Zoë <3","city":"Ghent","country":"Belgium"}`, `if-match: "1-h"`)
	if got.Status != 200 || got.Header["etag"] != `"2"` || !strings.Contains(string(got.Body), `"nickname":"Zoë <3"`) || !strings.Contains(string(got.Body), `"seen":"just now"`) {
		t.Fatalf("got %d %v %s", got.Status, got.Header, got.Body)
	}
	for _, in := range []string{"web-1", "web-2"} {
		testutil.Eventually(t, in+" hears of 42", func() bool { return heardBy(t, s, in, 42) })
	}
	page := s.Get(t, "web", "/profile/42", "accept: text/html")
	if !strings.Contains(string(page.Body), "Zoë &lt;3") || page.Header["etag"] != `"2-h"` {
		t.Errorf("the page doesn't show the change: %s", page.Body)
	}
}

// heardBy reports whether the instance lists an event of the member. It asks
// until the instance is the one that answers.
func heardBy(t *testing.T, s *system, instance string, id uint64) bool {
	t.Helper()
	for {
		var list struct {
			Instance string
			Events   []struct {
				ID   uint64
				From string
			}
		}
		if err := json.Unmarshal(s.Get(t, "web", "/events").Body, &list); err != nil {
			t.Fatal(err)
		}
		if list.Instance != instance {
			continue
		}
		for _, e := range list.Events {
			if e.ID == id && strings.HasPrefix(e.From, "web-") {
				return true
			}
		}
		return false
	}
}

func TestMembers_InOrderOfIDs(t *testing.T) {
	s := start(t)
	var want []uint64
	for id := uint64(1); id <= 2000 && len(want) < 5; id++ {
		if profile.Generate(id).City == "São Paulo" {
			want = append(want, id)
		}
	}
	got := s.Get(t, "web", "/members?city=s%C3%A3o+PAULO&limit=5")
	var list struct {
		City           string
		Count, Missing int
		Members        []profile.Member
	}
	if err := json.Unmarshal(got.Body, &list); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	if list.Count != len(want) || list.Missing != 0 || len(list.Members) != len(want) {
		t.Fatalf("got %s, want %d members", got.Body, len(want))
	}
	for i, m := range list.Members {
		if m.ID != want[i] {
			t.Errorf("member %d: got %d, want %d", i, m.ID, want[i])
		}
	}
	page := s.Get(t, "web", "/members?city=Berlin", "accept: text/html")
	if page.Header["content-type"] != "text/html; charset=utf-8" || strings.Count(string(page.Body), `<li class="card">`) == 0 {
		t.Errorf("no list page: %.300s", page.Body)
	}
}

func TestPages_EscapeWhatMembersWrite(t *testing.T) {
	s := start(t)
	attack := `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	change, _ := json.Marshal(map[string]any{
		"nickname": "<b>x</b>\"'&", "about": attack, "interests": []string{"<i>yoga</i>"}, "city": `"><u>`, "country": "<s>",
		"photo_url": "https://example.com/?a=1&b=2",
	})
	if got := s.Must(t, "web", "PUT", "/profile/5", string(change), `if-match: "1"`); got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	for _, target := range []string{"/profile/5", "/members?city=%22%3E%3Cu%3E", "/members?city=%3Cscript%3Ealert(1)%3C/script%3E"} {
		page := string(s.Get(t, "web", target, "accept: text/html").Body)
		for _, bad := range []string{"<script", "<img", "<b>", "<i>", "<u>", "<s>"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: %s is in the page", target, bad)
			}
		}
	}
	var doc map[string]any
	if err := json.Unmarshal(s.Get(t, "web", "/profile/5").Body, &doc); err != nil {
		t.Errorf("the JSON is broken: %v", err)
	}
}

func TestWeb_WithoutProfile(t *testing.T) {
	s := start(t)
	s.stopProfile()
	testutil.Eventually(t, "503 without profile", func() bool {
		return s.Get(t, "web", "/profile/42").Status == 503
	})
	if got := s.Get(t, "web", "/members?city=Berlin"); got.Status != 503 {
		t.Errorf("members: got %d %s", got.Status, got.Body)
	}
	if got := s.Get(t, "web", "/"); got.Status != 200 {
		t.Errorf("/: got %d", got.Status)
	}
}

func BenchmarkProfile_ThroughTheBus(b *testing.B) {
	s := start(b)
	client := s.Client("web")
	b.ReportAllocs()
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 1; pb.Next(); i++ {
			c := handlers.AcquireCall()
			c.Request.Method, c.Request.Path = []byte("GET"), fmt.Appendf(nil, "/profile/%d", 1+i%2000)
			if err := client.Do(context.Background(), c); err != nil || c.Response.Status != 200 {
				b.Errorf("%v, status %d", err, c.Response.Status)
			}
			c.Release()
		}
	})
}
