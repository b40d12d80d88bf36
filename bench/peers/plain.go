package peers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// HelloBytes is the size of the usual answer, that of nanofront's /hello.
	HelloBytes = 512
	// MaxBytes is the largest body that /echo/bytes is asked for.
	MaxBytes = 8 << 20

	typeText  = "text/plain; charset=utf-8"
	typeBytes = "application/octet-stream"

	maxSleep = time.Minute
)

// answers are the bodies: every part of the peers that makes an answer makes the same.
type answers struct{ hello, large []byte }

func newAnswers() answers {
	return answers{hello: bytes.Repeat([]byte("Hello. "), HelloBytes/7+1)[:HelloBytes], large: bytes.Repeat([]byte("0123456789abcdef"), MaxBytes/16)}
}

// of is the body for a target, path and query as they came.
func (a answers) of(target []byte) (body []byte, large bool) {
	count, ok := bytes.CutPrefix(target, []byte("/echo/bytes?n="))
	if !ok {
		return a.hello, false
	}
	n, err := strconv.Atoi(string(count))
	if err != nil || n < 0 {
		return a.hello, false
	}
	return a.large[:min(n, MaxBytes)], true
}

// Plain answers by itself until ctx ends: what nothing behind a socket can beat. What it is asked
// to take time over, as nanofront's echo is by /echo/sleep?ms=N, it does for at most so many
// requests at once (0: for all); the others wait for their turn, in the order in which they came.
func Plain(ctx context.Context, addr string, workers int) error {
	all := newAnswers()
	var busy chan struct{}
	if workers > 0 {
		busy = make(chan struct{}, workers)
	}
	return serve(ctx, addr, func(c *fasthttp.RequestCtx) {
		if d := slept(c.RequestURI()); d > 0 {
			if busy != nil {
				busy <- struct{}{}
				defer func() { <-busy }()
			}
			time.Sleep(d)
			c.SetContentType(typeText)
			_, _ = fmt.Fprintf(c, "slept %d ms\n", d.Milliseconds()) // to memory
			return
		}
		body, large := all.of(c.RequestURI())
		kind := typeText
		if large {
			kind = typeBytes
		}
		c.SetContentType(kind)
		c.Response.SetBodyRaw(body) // it is never changed, so it need not be copied
	})
}

// slept is how long a target asks to be worked on, 0 if it doesn't.
func slept(target []byte) time.Duration {
	text, ok := bytes.CutPrefix(target, []byte("/echo/sleep?ms="))
	if !ok {
		return 0
	}
	ms, err := strconv.Atoi(string(text))
	if err != nil || ms < 0 {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, maxSleep)
}

// serve is fasthttp as the peers use it.
func serve(ctx context.Context, addr string, handler fasthttp.RequestHandler) error {
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	s := &fasthttp.Server{
		Handler: handler, Name: "plain", NoDefaultDate: false, Concurrency: 20_000,
		ReadBufferSize: 4096, MaxRequestBodySize: 16 << 20, LogAllErrors: false, CloseOnShutdown: true,
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // idle connections end with the process
	defer stop()
	if err := s.Serve(ln); err != nil && ctx.Err() == nil {
		return fmt.Errorf("peers: %w", err)
	}
	return nil
}
