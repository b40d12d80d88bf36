package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// streaming has one path for each thing that may happen.
var streaming = handlers.StreamFunc(func(x *handlers.Exchange) error {
	switch pathOf(x.Request()) {
	case "/small":
		_, err := io.Copy(x.Response(), x.Body())
		return err
	case "/status":
		return handlers.Status(418, "no")
	case "/panic":
		panic("secret")
	}
	var whole bytes.Buffer
	if _, err := io.Copy(&whole, x.Body()); err != nil {
		return err
	}
	x.Response().Set("x-kind", "long")
	_, _ = x.Response().WriteString("begin ")
	w, err := x.Begin(-1)
	if err != nil {
		return err
	}
	if _, err := x.Begin(-1); err == nil {
		return errors.New("a second Begin was allowed")
	}
	if _, err := w.Write(whole.Bytes()); err != nil {
		return err
	}
	switch pathOf(x.Request()) {
	case "/broken":
		return errors.New("secret")
	case "/panic-later":
		panic("secret")
	case "/endless":
		for {
			if _, err := w.Write(make([]byte, 10_000)); err != nil {
				return err
			}
		}
	}
	return nil
})

func TestRunStream_Bodies(t *testing.T) {
	b := serve(t, handlers.Options{Bodies: true}, streaming)
	long := strings.Repeat("0123456789", 100_000)
	for _, c := range []struct {
		path, body string
		want       string // of the body's end: "" when it is complete
	}{
		{"/small", long[:1000], ""},
		{"/small", "", ""},
		{"/long", long, ""},
		{"/long", "", ""},
		{"/broken", long[:10], "internal"},
		{"/panic-later", long[:10], "internal"},
	} {
		call := nanobus.NewCall()
		call.SendMore = true
		req := request(c.path)
		req.Body, req.Length = []byte(c.body[:len(c.body)/2]), -1
		if len(req.Body) > 1000 {
			req.Body = req.Body[:1000]
		}
		if err := b.svc.Go(call, req, testutil.Patience); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(call.Upload, c.body[len(req.Body):]); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
		if err := call.Upload.Close(); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
		call.Wait()
		var resp httpmsg.Response
		if err := resp.Decode(call.Payload); call.Err != nil || err != nil || resp.Status != 200 {
			t.Fatalf("%s: %v, %v, status %d", c.path, call.Err, err, resp.Status)
		}
		got, want := string(resp.Body), c.body
		var err error
		if call.Download != nil {
			var rest []byte
			rest, err = io.ReadAll(call.Download)
			got += string(rest)
			want = "begin " + c.body
			if resp.Length != -1 || string(resp.Header.Get("x-kind")) != "long" {
				t.Errorf("%s: length %d, header %s", c.path, resp.Length, resp.Header)
			}
		}
		if got != want {
			t.Errorf("%s: %d bytes of body, or others, want %d", c.path, len(got), len(want))
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || contains(err.Error(), "secret")) {
			t.Errorf("%s: the body ended with %v, want %q", c.path, err, c.want)
		}
		call.Release()
	}
	if a := b.get(t, "/status"); a.status != 418 {
		t.Errorf("got %v", a)
	}
	if a := b.get(t, "/panic"); a.code() != nanobus.CodeInternal {
		t.Errorf("got %v", a)
	}
	if n := b.count(metrics.HandlerPanics); n != 2 {
		t.Errorf("%d panics counted, want 2", n)
	}

	// Nobody wants it to the end: the handler is told.
	call := b.begin(t, "/endless", testutil.Patience)
	call.Wait()
	call.Release()
	testutil.Eventually(t, "an endless answer to end", func() bool { return b.stopped(t) })
}

// stopped reports whether nothing is under way.
func (b *backend) stopped(t testing.TB) bool {
	t.Helper()
	for _, l := range b.bus.Links() {
		if l.InFlight != 0 {
			return false
		}
	}
	return true
}

// Draining waits for bodies that are under way.
func TestRunStream_Drain(t *testing.T) {
	b := serve(t, handlers.Options{Bodies: true, DrainTimeout: testutil.Patience}, streaming)
	call := nanobus.NewCall()
	call.SendMore = true
	if err := b.svc.Go(call, request("/long"), testutil.Patience); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Upload.Write([]byte("one ")); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		b.stop()
		close(stopped)
	}()
	testutil.Eventually(t, "the link to drain", func() bool { return b.svc.Live() == 0 })
	if _, err := call.Upload.Write([]byte("two")); err != nil {
		t.Error(err)
	}
	_ = call.Upload.Close()
	call.Wait()
	if call.Err != nil {
		t.Fatal(call.Err)
	}
	if rest, err := io.ReadAll(call.Download); err != nil || string(rest) != "one two" {
		t.Errorf("got %q, %v", rest, err)
	}
	call.Release()
	select {
	case <-stopped:
	case <-time.After(testutil.Patience):
		t.Error("draining doesn't end")
	}
}

func TestRun_BodiesNeedAStreamHandler(t *testing.T) {
	for _, bodies := range []bool{true, false} {
		rt, err := handlers.New(handlers.Options{Service: "work", Discovery: handlertest.NewDiscovery(), Bodies: bodies})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if bodies {
			if err := rt.Run(ctx, handlers.HandlerFunc(ok)); err == nil || !contains(err.Error(), "RunStream needs Options.Bodies") {
				t.Errorf("Run: got %v", err)
			}
		} else if err := rt.RunStream(ctx, streaming); err == nil || !contains(err.Error(), "RunStream needs Options.Bodies") {
			t.Errorf("RunStream: got %v", err)
		}
		_ = rt.Close()
	}
}

// A response that has begun takes neither a worker nor a part of the window.
func TestRunStream_TakesNoPlace(t *testing.T) {
	const streams = 20
	ended := make(chan error, streams)
	b := serve(t, handlers.Options{Bodies: true, Workers: 1, Window: 2}, handlers.StreamFunc(func(x *handlers.Exchange) error {
		if pathOf(x.Request()) != "/stream" {
			x.Response().Body = []byte("at once")
			return nil
		}
		ctx := x.Context()
		w, err := x.Begin(-1)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte("begin")); err != nil {
			return err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}))
	var calls []*nanobus.Call
	for range streams {
		c := nanobus.NewCall()
		if err := b.svc.Go(c, request("/stream"), testutil.Patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		if _, err := io.ReadFull(c.Download, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	c := nanobus.NewCall()
	if err := b.svc.Go(c, request("/other"), testutil.Patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if c.Err != nil {
		t.Errorf("another request while %d streams are quiet: %v", streams, c.Err)
	}
	c.Release()
	for _, c := range calls {
		c.Release()
	}
	for range calls {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a stream that nobody wants any more ended with %v", err)
		}
	}
}

// Draining tells streams that are quiet to end, and they end as their handler likes.
func TestRunStream_DrainQuiet(t *testing.T) {
	b := serve(t, handlers.Options{Bodies: true, DrainTimeout: testutil.Patience}, handlers.StreamFunc(func(x *handlers.Exchange) error {
		ctx := x.Context()
		w, err := x.Begin(-1)
		if err != nil {
			return err
		}
		<-ctx.Done()
		_, err = io.WriteString(w, "goodbye")
		return err
	}))
	call := nanobus.NewCall()
	if err := b.svc.Go(call, request("/"), testutil.Patience); err != nil {
		t.Fatal(err)
	}
	call.Wait()
	if call.Err != nil {
		t.Fatal(call.Err)
	}
	began := time.Now()
	b.stop()
	if took := time.Since(began); took > testutil.Patience/2 {
		t.Errorf("draining took %v", took)
	}
	if rest, err := io.ReadAll(call.Download); err != nil || string(rest) != "goodbye" {
		t.Errorf("got %q, %v", rest, err)
	}
	call.Release()
}

// A Stream outlives ServeStream, without a goroutine.
func TestRunStream_Detached(t *testing.T) {
	const n = 50
	streams, gone := make(chan *handlers.Stream, n), make(chan struct{}, n)
	b := serve(t, handlers.Options{Bodies: true, Workers: 1}, handlers.StreamFunc(func(x *handlers.Exchange) error {
		s, err := x.Stream(-1)
		if err != nil {
			return err
		}
		s.OnGone(func() {
			_ = s.Close()
			gone <- struct{}{}
		})
		streams <- s
		return nil
	}))
	var calls []*nanobus.Call
	for range n {
		c := nanobus.NewCall()
		if err := b.svc.Go(c, request("/"), testutil.Patience); err != nil {
			t.Fatal(err)
		}
		if c.Wait(); c.Err != nil {
			t.Fatal(c.Err)
		}
		calls = append(calls, c)
		s := <-streams
		if _, err := io.WriteString(s, "event"); err != nil {
			t.Fatal(err)
		}
		if len(calls) > n/2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range calls[:n/2] {
		if _, err := io.ReadFull(c.Download, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		c.Release()
		<-gone
	}
	for _, c := range calls[n/2:] {
		if all, err := io.ReadAll(c.Download); err != nil || string(all) != "event" {
			t.Errorf("got %q, %v", all, err)
		}
		c.Release()
	}
}
