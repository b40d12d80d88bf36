package handlertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"nanofront/handlers"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
)

// Caller calls services over the bus, as a terminator does.
type Caller struct {
	Runtime *handlers.Runtime
	clients map[string]*handlers.Client
}

// Response is what a service answered, safe to keep.
type Response struct {
	Status int
	Header map[string]string // the last value of each
	Body   []byte
}

var callers atomic.Int64

// NewCaller returns a Caller of the services and waits until each has a live
// instance. It ends with the test.
func NewCaller(t testing.TB, d handlers.Discovery, services ...string) *Caller {
	t.Helper()
	rt, err := handlers.New(handlers.Options{
		Service: "caller", Instance: fmt.Sprintf("caller-%d", callers.Add(1)), Discovery: d, Calls: services,
	})
	if err != nil {
		t.Fatal(err)
	}
	nobody := handlers.HandlerFunc(func(context.Context, *handlers.Request, *handlers.Response) error {
		return handlers.Status(404, "a caller answers nothing")
	})
	testutil.Start(t, "caller", func(ctx context.Context) error { return rt.Run(ctx, nobody) })
	c := &Caller{Runtime: rt, clients: map[string]*handlers.Client{}}
	for _, s := range services {
		c.clients[s] = rt.Client(s)
	}
	testutil.Eventually(t, "a live instance of each of "+strings.Join(services, ", "), func() bool { return rt.Ready() == nil })
	return c
}

// Client returns the client of a service.
func (c *Caller) Client(service string) *handlers.Client { return c.clients[service] }

// Do calls the service. target is a path, with a query or not; header is
// "name: value" each.
func (c *Caller) Do(ctx context.Context, service, method, target string, body []byte, header ...string) (Response, error) {
	call := handlers.AcquireCall()
	defer call.Release()
	path, query, _ := strings.Cut(target, "?")
	r := &call.Request
	r.Method, r.Scheme, r.Host, r.Client = []byte(method), []byte("http"), []byte("test.example"), []byte("192.0.2.1")
	r.Path, r.Query, r.Body = []byte(path), []byte(query), body
	for _, h := range header {
		name, value, _ := strings.Cut(h, ":")
		r.Header = append(r.Header, httpmsg.Field{Name: []byte(strings.ToLower(name)), Value: []byte(strings.TrimSpace(value))})
	}
	if err := c.clients[service].Do(ctx, call); err != nil {
		return Response{}, err
	}
	got := Response{Status: call.Response.Status, Header: map[string]string{}, Body: bytes.Clone(call.Response.Body)}
	for _, f := range call.Response.Header {
		got.Header[string(f.Name)] = string(f.Value)
	}
	return got, nil
}

// Must is Do with a time limit; it fails the test if there is no answer.
func (c *Caller) Must(t testing.TB, service, method, target, body string, header ...string) Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	got, err := c.Do(ctx, service, method, target, []byte(body), header...)
	if err != nil {
		t.Fatalf("%s %s of %s: %v", method, target, service, err)
	}
	return got
}

// Get is Must for GET.
func (c *Caller) Get(t testing.TB, service, target string, header ...string) Response {
	t.Helper()
	return c.Must(t, service, "GET", target, "", header...)
}
