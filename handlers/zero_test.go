package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry/static"
)

// What an author forgets is an error that says so, and nothing panics: not a nil pointer in an
// interface either.
func TestRun_NilIsAnError(t *testing.T) {
	var (
		noTable   *static.Table // Open's, whose error nobody looked at
		noHandler handlers.HandlerFunc
		d         = handlertest.NewDiscovery()
		ok        = handlers.HandlerFunc(func(context.Context, *handlers.Request, *handlers.Response) error { return nil })
	)
	for name, c := range map[string]struct {
		opts handlers.Options
		h    handlers.Handler
		want string
	}{
		"no options":                  {handlers.Options{}, ok, "Options.Discovery is missing"},
		"a nil table":                 {handlers.Options{Service: "work", Discovery: noTable}, ok, "Options.Discovery is missing"},
		"no service":                  {handlers.Options{Discovery: d}, ok, "service"},
		"no handler":                  {handlers.Options{Service: "work", Discovery: d}, nil, "the handler is nil"},
		"a nil function":              {handlers.Options{Service: "work", Discovery: d}, noHandler, "the handler is nil"},
		"a subscription to nowhere":   {handlers.Options{Service: "work", Discovery: d, Subscriptions: map[string]func(nanobus.Event){"x": nil}}, ok, `subscription to "x"`},
		"a handler that can't stream": {handlers.Options{Service: "work", Discovery: d, Bodies: true}, ok, "RunStream needs Options.Bodies"},
	} {
		if err := handlers.Run(t.Context(), c.opts, c.h); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Zero values that the documentation promises: they work, also a nil *metrics.Set as Metrics.
func TestZeroValues_Work(t *testing.T) {
	var req handlers.Request
	if req.Param("a") != "" || req.Header.Get("a") != nil {
		t.Errorf("zero request: %+v", req)
	}
	var resp handlers.Response
	resp.Set("a", "b")
	resp.Set("a", "c")
	fmt.Fprint(&resp, "body")
	if string(resp.Header.Get("a")) != "c" || string(resp.Body) != "body" || len(resp.Header) != 1 {
		t.Errorf("zero response: %+v", resp)
	}

	var nobody *metrics.Set
	d := handlertest.NewDiscovery()
	serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(
		func(_ context.Context, _ *handlers.Request, _ *handlers.Response) error { return nil }))
	rt, err := handlers.New(handlers.Options{Service: "asker", Discovery: d, Metrics: nobody, Calls: []string{"work"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- rt.Run(ctx, handlers.HandlerFunc(func(context.Context, *handlers.Request, *handlers.Response) error { return nil }))
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	testutil.Eventually(t, "ready", func() bool { return rt.Ready() == nil })
	var c handlers.Call
	c.Request.Method, c.Request.Path = []byte("GET"), []byte("/")
	if err := rt.Client("work").Do(ctx, &c); err != nil || c.Response.Status != 200 {
		t.Errorf("zero call: %v, %d", err, c.Response.Status)
	}
	c.Release()
	var unused handlers.Call
	unused.Release()
}

// A *StatusError that is nil, returned as an error, isn't one: it is a 500 and not the end of the
// process.
func TestRun_NilStatusError(t *testing.T) {
	b := serve(t, handlers.Options{}, handlers.HandlerFunc(
		func(context.Context, *handlers.Request, *handlers.Response) error {
			var e *handlers.StatusError
			return e
		}))
	for range 2 {
		if got := b.get(t, "/"); got.code() != nanobus.CodeInternal {
			t.Errorf("got %v", got)
		}
	}
	if !strings.Contains(b.log.String(), "a nil *handlers.StatusError was returned as an error") {
		t.Errorf("the log doesn't say so: %s", b.log)
	}
}

// An Exchange that no runtime has made has no request: each of its methods says so.
func TestExchange_Zero(t *testing.T) {
	for name, use := range map[string]func(*handlers.Exchange){
		"Done":      (*handlers.Exchange).Done,
		"Fail":      func(x *handlers.Exchange) { x.Fail(nil) },
		"Hold":      func(x *handlers.Exchange) { _, _ = x.Hold(time.Second) },
		"Begin":     func(x *handlers.Exchange) { _, _ = x.Begin(-1) },
		"Body":      func(x *handlers.Exchange) { x.Body() },
		"Context":   func(x *handlers.Exchange) { x.Context() },
		"Remaining": func(x *handlers.Exchange) { x.Remaining() },
		"AnswerTo":  func(x *handlers.Exchange) { x.AnswerTo(context.DeadlineExceeded) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, "a zero Exchange has no request") {
					t.Errorf("it panics with %q, want the misuse named", p)
				}
			}()
			use(new(handlers.Exchange))
		})
	}
	var held handlers.Held
	if err := held.Answer(&handlers.Response{}); !errors.Is(err, handlers.ErrNotHeld) {
		t.Errorf("a zero Held: %v", err)
	}
}
