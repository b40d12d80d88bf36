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

	stopTimeout = 2 * time.Second
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

// Plain answers by itself until ctx ends: what nothing behind a socket can beat.
func Plain(ctx context.Context, addr string) error {
	all := newAnswers()
	return serve(ctx, addr, func(c *fasthttp.RequestCtx) {
		body, large := all.of(c.RequestURI())
		kind := typeText
		if large {
			kind = typeBytes
		}
		c.SetContentType(kind)
		c.Response.SetBodyRaw(body) // it is never changed, so it need not be copied
	})
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
	var failed error
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		failed = s.Serve(ln)
	}()
	select {
	case <-ended:
		return fmt.Errorf("peers: %w", failed)
	case <-ctx.Done():
	}
	_ = ln.Close() // idle connections end with the process
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
	return nil
}
