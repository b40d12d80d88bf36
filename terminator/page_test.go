package terminator

import (
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/nanobus"
)

// TestRefusals_Pages: a browser gets a page, with a way back; everybody else the
// same JSON as ever.
func TestRefusals_Pages(t *testing.T) { bothWays(t, testRefusalsPages) }

func testRefusalsPages(t *testing.T) {
	get := prefix("/get/", "work")
	get.Match.Methods = []string{"GET"}
	f := startFront(t, Options{}, get, prefix("/away/", "away"))
	f.work(t, "w1", func(_ *httpmsg.Request, r *nanobus.Request) { r.ReplyError(nanobus.CodeInternal, "") })
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\n"
	for _, c := range []struct {
		method, target string
		status         int
		text           string
	}{
		{"GET", "/nowhere", 404, "There is nothing at this address."},
		{"HEAD", "/nowhere", 404, ""},
		{"PUT", "/get/x", 405, "This method is not allowed here."},
		{"GET", "/away/x", 503, "The service is not available at the moment, try again soon."},
		{"GET", "/get/x", 500, "The service failed on this request."},
	} {
		r := f.ask(t, c.method, c.target, browser)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != "text/html; charset=utf-8" || r.Header.Get("Cache-Control") != "no-store" ||
			r.Header.Get("X-Request-Id") == "" || (r.Header.Get("Retry-After") != "") != (c.status == 503) || (r.Header.Get("Allow") != "") != (c.status == 405) {
			t.Errorf("%s %s: got %d %v", c.method, c.target, r.StatusCode, r.Header)
		}
		if c.method != "HEAD" && (!strings.Contains(r.body, "<h1>"+c.text+"</h1>") || !strings.Contains(r.body, `<a href="/">`)) {
			t.Errorf("%s %s: got %q", c.method, c.target, r.body)
		}
		if c.method == "HEAD" {
			continue
		}
		for _, lines := range []string{"", "Accept: */*\n", "Accept: application/json\n"} {
			refused(t, f.ask(t, c.method, c.target, lines), c.status)
		}
	}
}
