package web_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"nanofront/internal/testutil"
)

// browser is what Chromium sends when somebody follows a link.
const browser = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

// TestWeb_ErrorsForPeopleAndPrograms: browsers get a page with a way back, all
// others JSON that ends with a newline.
func TestWeb_ErrorsForPeopleAndPrograms(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		method, target string
		status         int
		text           string
	}{
		{"GET", "/nowhere", 404, "there is nothing at"},
		{"GET", "/%3Cscript%3E", 404, "there is nothing at"},
		{"GET", "/profile/x", 400, "is not a member's id"},
		{"GET", "/profile/999999", 404, "there is no member 999999"},
		{"DELETE", "/profile/1", 405, "this method is not possible here"},
		{"POST", "/", 405, "this method is not possible here"},
		{"GET", "/members", 400, "city is missing"},
		{"GET", "/members?city=Berlin&limit=0", 400, "limit is"},
		{"GET", "/photo/x", 404, "there is no photo"},
		{"PUT", "/profile/1", 428, "If-Match is missing"},
	} {
		got := s.Must(t, "web", c.method, c.target, "")
		var body struct{ Error string }
		if err := json.Unmarshal(got.Body, &body); err != nil || !strings.HasSuffix(string(got.Body), "}\n") ||
			got.Status != c.status || !strings.Contains(body.Error, c.text) || got.Header["content-type"] != "application/json" || got.Header["vary"] != "Accept" {
			t.Errorf("%s %s: got %d %v %q (%v)", c.method, c.target, got.Status, got.Header, got.Body, err)
		}
		page := s.Must(t, "web", c.method, c.target, "", browser)
		text := string(page.Body)
		if page.Status != c.status || page.Header["content-type"] != "text/html; charset=utf-8" || page.Header["vary"] != "Accept" ||
			page.Header["content-security-policy"] == "" || page.Header["allow"] != got.Header["allow"] {
			t.Errorf("%s %s: got %d %v", c.method, c.target, page.Status, page.Header)
		}
		for _, want := range []string{"<!doctype html>", `<a href="/">Back to the start</a>`, "<h1>"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s %s: no %s in %s", c.method, c.target, want, text)
			}
		}
		if strings.Contains(text, "<script") {
			t.Errorf("%s %s: a script in the page", c.method, c.target)
		}
	}
}

// TestWeb_TryAgain: what may be there in a moment has a link to itself.
func TestWeb_TryAgain(t *testing.T) {
	s := start(t)
	s.stopProfile()
	target := "/members?city=" + url.QueryEscape(`a"><b>`)
	testutil.Eventually(t, "503 without profile", func() bool {
		got := s.Get(t, "web", target, browser)
		return got.Status == 503 && got.Header["retry-after"] == "1" && strings.Contains(string(got.Body), "Try again") && !strings.Contains(string(got.Body), "<b>")
	})
	if got := s.Must(t, "web", "PUT", "/profile/1", "{}", browser, "if-match: *"); got.Status != 503 || strings.Contains(string(got.Body), "Try again") {
		t.Errorf("PUT: got %d %s", got.Status, got.Body)
	}
}

func TestWeb_EventsPage(t *testing.T) {
	s := start(t)
	empty := s.Get(t, "web", "/events", browser)
	if empty.Status != 200 || empty.Header["content-type"] != "text/html; charset=utf-8" || !strings.Contains(string(empty.Body), "Nothing has been changed yet") {
		t.Errorf("got %d %v %s", empty.Status, empty.Header, empty.Body)
	}
	if got := s.Must(t, "web", "PUT", "/profile/42", `{"nickname":"Ada"}`, "if-match: *"); got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	testutil.Eventually(t, "the change is on the page", func() bool {
		return strings.Contains(string(s.Get(t, "web", "/events", browser).Body), `<a href="/profile/42">no. 42</a>`)
	})
	got := s.Get(t, "web", "/events")
	if got.Header["content-type"] != "application/json" || got.Header["vary"] != "Accept" || !strings.HasSuffix(string(got.Body), "}\n") {
		t.Errorf("for programs: %v %s", got.Header, got.Body)
	}
}
