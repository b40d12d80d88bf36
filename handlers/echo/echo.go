package echo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"nanofront/handlers"
)

const (
	// Service is the name under which the role is announced unless
	// handlers.Options say otherwise.
	Service = "echo"
	// HelloBytes is the size of the body of /hello.
	HelloBytes = 512
	// MaxSleep is the longest /echo/sleep.
	MaxSleep = 60 * time.Second
	// MaxBytes is the largest /echo/bytes: 1 TiB.
	MaxBytes = 1 << 40
	// MaxPieces is how many pieces of /echo/stream there are at most.
	MaxPieces = 10_000
	// MaxPiece is the largest of them, in bytes.
	MaxPiece = 1 << 20

	maxMS = int(MaxSleep / time.Millisecond)
)

var (
	headerType = []byte("content-type")
	typeText   = []byte("text/plain; charset=utf-8")
	typeJSON   = []byte("application/json")
	typeBytes  = []byte("application/octet-stream")

	helloPath  = []byte("/hello")
	holdPath   = []byte("/echo/hold")
	heldPath   = []byte("/echo/held")
	answerPath = []byte("/echo/answer")
	bytesPath  = []byte("/echo/bytes")
	digestPath = []byte("/echo/digest")
	panicPath  = []byte("/echo/panic")
	sleepPath  = []byte("/echo/sleep")
	statusPath = []byte("/echo/status/")
	streamPath = []byte("/echo/stream")

	helloBody = makeHello()
)

// makeHello is a greeting, filled up to HelloBytes with dots in lines.
func makeHello() []byte {
	b := []byte("Hello from nanofront!\n\n" +
		"This text took a bus: from your connection to a terminator, as one\n" +
		"frame of a batch to a handler, and the same way back. It is always\n" +
		"512 bytes long, so that what you measure is the ride and not the text.\n\n")
	for len(b) < HelloBytes-1 {
		if line := len(b) - 1 - bytes.LastIndexByte(b, '\n'); line == 71 {
			b = append(b, '\n')
		} else {
			b = append(b, ". "[line&1])
		}
	}
	return append(b, '\n')
}

// handler is the role as a handlers.StreamHandler: each request has a
// goroutine, so that one which sleeps, or whose body is long, keeps no other
// waiting.
type handler struct{ rooms rooms }

// ServeStream implements handlers.StreamHandler.
func (h *handler) ServeStream(x *handlers.Exchange) error {
	req, resp := x.Request(), x.Response()
	switch {
	case bytes.Equal(req.Path, helloPath):
		resp.Add(headerType, typeText)
		resp.Body = append(resp.Body, helloBody...)
		return nil
	case bytes.Equal(req.Path, bytesPath):
		return fill(x)
	case bytes.Equal(req.Path, digestPath):
		return digest(x)
	case bytes.Equal(req.Path, sleepPath):
		return sleep(x.Context(), req, resp)
	case bytes.Equal(req.Path, streamPath):
		return stream(x)
	case bytes.Equal(req.Path, holdPath):
		return h.rooms.hold(x)
	case bytes.Equal(req.Path, heldPath):
		return h.rooms.count(x)
	case bytes.Equal(req.Path, answerPath):
		return h.rooms.answer(x)
	case bytes.Equal(req.Path, panicPath):
		panic("echo: asked to")
	case bytes.HasPrefix(req.Path, statusPath):
		return status(x)
	}
	return describe(x)
}

func sleep(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
	ms, err := number(req, "ms", maxMS)
	if err != nil {
		return err
	}
	if err := pause(ctx, ms); err != nil {
		return err
	}
	resp.Add(headerType, typeText)
	resp.Body = append(strconv.AppendInt(append(resp.Body, "slept "...), int64(ms), 10), " ms\n"...)
	return nil
}

// pause waits so many milliseconds, or until nobody wants the answer any more.
func pause(ctx context.Context, ms int) error {
	if ms == 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// status answers as asked for, and reads no more of the body than that.
func status(x *handlers.Exchange) error {
	req, resp := x.Request(), x.Response()
	text := string(req.Path[len(statusPath):])
	n, err := strconv.Atoi(text)
	if err != nil || len(text) != 3 || n < 200 || n > 599 {
		return handlers.Status(400, "status %.40q: want 200 to 599", text)
	}
	after, err := optional(req, "after", MaxBytes)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, x.Body(), int64(after)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n >= 400 {
		return handlers.Status(n, "as asked for")
	}
	resp.Status = n
	return nil
}

// number reads a parameter that must be there and lie in 0..most.
func number(req *handlers.Request, name string, most int) (int, error) {
	text := req.Param(name)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, handlers.Status(400, "%s is %.40q: want a number from 0 to %d", name, text, most)
	}
	return n, nil
}

// optional is number for a parameter that is 0 if it isn't there.
func optional(req *handlers.Request, name string, most int) (int, error) {
	if req.Param(name) == "" {
		return 0, nil
	}
	return number(req, name, most)
}
