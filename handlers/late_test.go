package handlers_test

import (
	"strings"
	"testing"

	"nanofront/handlers"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
)

// What a handler started before it panicked goes on reading its own request,
// whatever else the process serves meanwhile.
func TestRunBatch_RequestStaysReadableAfterPanic(t *testing.T) {
	kept := make(chan *handlers.Exchange, 100)
	b := serve(t, handlers.Options{}, handlers.BatchFunc(func(batch []*handlers.Exchange) {
		for _, x := range batch {
			if strings.HasPrefix(pathOf(x.Request()), "/panic") {
				kept <- x
			}
		}
		if len(batch) > 0 && strings.HasPrefix(pathOf(batch[0].Request()), "/panic") {
			panic("with the exchange given away")
		}
		for _, x := range batch {
			x.Done()
		}
	}))
	for range 10 {
		if got := b.get(t, "/panic-with-this"); got.code() != nanobus.CodeInternal {
			t.Fatalf("got %v, want %v", got, nanobus.CodeInternal)
		}
	}
	for range 200 {
		b.get(t, "/another-request")
	}
	for range 10 {
		if p := pathOf((<-kept).Request()); p != "/panic-with-this" {
			t.Fatalf("the request of a handler that panicked now reads %q", p)
		}
	}
}

// After Begin has failed everything of the exchange is still valid, until
// ServeStream returns.
func TestRunStream_ExchangeIsValidAfterAFailedBegin(t *testing.T) {
	failed, others := make(chan struct{}), make(chan struct{})
	path := make(chan string, 1)
	b := serve(t, handlers.Options{Bodies: true}, handlers.StreamFunc(func(x *handlers.Exchange) error {
		if pathOf(x.Request()) != "/too-large-a-beginning" {
			return nil
		}
		x.Response().Body = make([]byte, 2*nanobus.MaxPayload)
		_, err := x.Begin(-1)
		close(failed)
		<-others
		ctx := x.Context()
		if _, there := ctx.Deadline(); ctx.Err() == nil && !there {
			t.Error("no context")
		}
		_, _ = x.Body().Read(make([]byte, 1))
		path <- pathOf(x.Request())
		return err
	}))
	c := b.begin(t, "/too-large-a-beginning", testutil.Patience)
	<-failed
	for range 200 {
		b.get(t, "/another-request-of-the-same-size")
	}
	close(others)
	if got := end(t, c); got.code() != nanobus.CodeTooLarge {
		t.Errorf("got %v, want %v", got, nanobus.CodeTooLarge)
	}
	if p := <-path; p != "/too-large-a-beginning" {
		t.Errorf("after a failed Begin the request reads %q", p)
	}
}
