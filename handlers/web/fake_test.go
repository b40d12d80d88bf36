package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/handlers/web"
	"nanofront/internal/testutil"
)

// startWith starts web with a profile service of the test's own.
func startWith(t *testing.T, profile handlers.HandlerFunc) *handlertest.Caller {
	t.Helper()
	d := handlertest.NewDiscovery()
	testutil.Start(t, "profile", func(ctx context.Context) error {
		return handlers.Run(ctx, handlers.Options{Service: "profile", Instance: "fake", Discovery: d}, profile)
	})
	role, err := web.New(handlers.Options{Instance: "web-1", Discovery: d})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "web", role.Run)
	testutil.Eventually(t, "web is ready", func() bool { return role.Runtime().Ready() == nil })
	return handlertest.NewCaller(t, d, "web")
}

func TestWeb_SlowProfileIs504(t *testing.T) {
	c := startWith(t, func(ctx context.Context, _ *handlers.Request, _ *handlers.Response) error {
		<-ctx.Done()
		return ctx.Err()
	})
	for _, target := range []string{"/profile/1", "/members?city=Berlin"} {
		// web keeps a reserve, so that its answer comes before its caller's
		// own time is up; on a machine that is busy enough, not each time.
		testutil.Eventually(t, target+": 504", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got, err := c.Do(ctx, "web", "GET", target, nil)
			if err == nil && got.Status != 504 {
				t.Errorf("%s: got %d %s", target, got.Status, got.Body)
			}
			return err == nil
		})
	}
}

func TestWeb_ProfileAnswersOddly(t *testing.T) {
	const document = `{"id":1,"nickname":"Ada","last_seen":"2026-01-01T00:00:00Z"}`
	c := startWith(t, func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
		switch path := string(req.Path); {
		case path == "/ids" && req.Param("city") == "Garbage":
			_, _ = resp.WriteString("<html>")
		case path == "/ids" && req.Param("city") == "Flood":
			_, _ = resp.WriteString("[" + strings.Repeat("1,", 5000) + "1]")
		case path == "/ids" && req.Param("city") == "Gone":
			_, _ = resp.WriteString("[4,3]")
		case path == "/ids" && req.Param("city") == "Broken":
			_, _ = resp.WriteString("[4,500,1]")
		case path == "/ids":
			_, _ = resp.WriteString("[3,500,1,4,2]")
		case path == "/profile/4":
			return handlers.Status(404, "there is no member 4")
		case path == "/profile/3":
			return handlers.Status(503, "busy")
		case path == "/profile/500":
			return errors.New("broken")
		case path == "/profile/6":
			_, _ = resp.WriteString("not JSON")
		default:
			_, _ = resp.WriteString(strings.Replace(document, `"id":1`, `"id":`+path[len("/profile/"):], 1))
		}
		return nil
	})
	for _, x := range []struct {
		target string
		header []string
		status int
		want   string
	}{
		{"/profile/1", nil, 200, `{"member":{"id":1,`}, // no etag, no x-city
		{"/profile/1", []string{"if-none-match: *"}, 200, `{"member":{"id":1,`},
		{"/profile/1", []string{"accept: text/html"}, 200, "Ada"},
		{"/profile/3", nil, 503, "busy"},
		{"/profile/6", []string{"accept: text/html"}, 500, ""},
		{"/members?city=Garbage", nil, 500, ""},
		{"/members?city=Flood&limit=100", nil, 500, ""},
		{"/members?city=Berlin", nil, 200, `{"city":"Berlin","count":2,"missing":3,"members":[{"id":1,`},
		{"/members?city=Berlin", []string{"accept: text/html"}, 200, "3 could not be had"},
		{"/members?city=Gone", nil, 200, `"count":0,"missing":2,"members":[]}`},
		{"/members?city=Broken", nil, 200, `"count":1,"missing":2`},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
		got, err := c.Do(ctx, "web", "GET", x.target, nil, x.header...)
		cancel()
		if x.status == 500 {
			if err == nil && got.Status != 500 {
				t.Errorf("%s: got %d %.100s, want 500", x.target, got.Status, got.Body)
			}
			continue
		}
		if err != nil || got.Status != x.status || !strings.Contains(string(got.Body), x.want) {
			t.Errorf("%s %q: got %d %.300s, %v, want %d with %s", x.target, x.header, got.Status, got.Body, err, x.status, x.want)
		}
		if got.Header["content-type"] == "application/json" && !json.Valid(got.Body) {
			t.Errorf("%s: broken JSON: %s", x.target, got.Body)
		}
	}
}
