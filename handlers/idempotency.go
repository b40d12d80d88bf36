package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync/atomic"
	"time"

	"nanofront/nanobus"
)

// Idempotency has a Runtime know a write again that has come before, by its field Idempotency-Key:
// a POST, PUT, PATCH, DELETE, or whatever else isn't GET, HEAD or OPTIONS. The handler sees it
// once. Whoever repeats it gets the first one's answer, with the field Idempotency-Replayed, or
// waits for it; a 409 if that isn't known, and a 422 if the key comes with another payload.
//
// A 429, a 503 and [ErrNotDone] say that nothing was changed: such a write may come again.
//
// With the process' own memory that holds as long as the process lives and the repeat gets there.
// The front has calls with the same key go to the same instance while it can. With a Memory that
// all instances share, it also repeats a write by itself, at another instance.
type Idempotency struct {
	// Memory is where it is remembered. nil: in this process.
	Memory Memory
	// Window is for how long. 0: DefaultIdempotencyWindow.
	Window time.Duration
	// MaxWrites and MaxBytes bound the process' own memory: further writes with a key get a 503,
	// and the oldest answers are forgotten. 0: DefaultMaxWrites and DefaultMaxWriteBytes.
	MaxWrites, MaxBytes int
	// Who tells clients apart, each of whom has keys of his own. nil: the field Authorization, else
	// Cookie, else the client's address.
	Who func(*Request) []byte
}

// DefaultIdempotencyWindow is for how long writes are remembered.
const DefaultIdempotencyWindow = 5 * time.Minute

// ErrNotDone, wrapped in an error that a handler returns, says that nothing was changed: the write
// may come again with the same Idempotency-Key.
var ErrNotDone = errors.New("handlers: nothing was changed")

func (i *Idempotency) setDefaults() error {
	if i.Window == 0 {
		i.Window = DefaultIdempotencyWindow
	}
	if i.MaxWrites == 0 {
		i.MaxWrites = DefaultMaxWrites
	}
	if i.MaxBytes == 0 {
		i.MaxBytes = DefaultMaxWriteBytes
	}
	if i.Window < 0 || i.MaxWrites < 0 || i.MaxBytes < 0 {
		return fmt.Errorf("handlers: Idempotency with a window of %v, %d writes and %d bytes: want none below 0", i.Window, i.MaxWrites, i.MaxBytes)
	}
	if i.Memory == nil {
		i.Memory = newOwnMemory(i.MaxWrites, i.MaxBytes)
	}
	if n := i.Memory.Name(); n == "" || len(n) > 255 {
		return fmt.Errorf("handlers: the Memory of Idempotency has a name of %d bytes: want 1 to 255", len(n))
	}
	if i.Who == nil {
		i.Who = whoAsks
	}
	return nil
}

func whoAsks(r *Request) []byte {
	for _, name := range []string{"authorization", "cookie"} {
		if v := r.Header.Get(name); len(v) > 0 {
			return v
		}
	}
	return r.Client
}

// claims is what a Runtime does about writes with a key.
type claims struct {
	Idempotency
	rt      *Runtime
	own     bool // the memory never blocks
	waiting atomic.Int64
}

// claim is a write that this process is at.
type claim struct {
	of *claims
	id WriteID
}

const (
	// waitsPart of the window is for writes that wait for another of the same key: what more come
	// get a 409.
	waitsPart = 4
	// sumAtOnce is the longest body that the goroutine that reads the link takes the sum of.
	sumAtOnce = 16 << 10

	waitFirst, waitMost = 2 * time.Millisecond, 50 * time.Millisecond
)

// takes reports whether the exchange, just arrived, is none of those to be served now: it was
// answered, or will be, or served later.
func (c *claims) takes(x *Exchange) bool {
	switch string(x.req.Method) {
	case "GET", "HEAD", "OPTIONS":
		return false
	}
	key, err := x.req.Header.IdempotencyKey()
	if err != nil {
		c.answer(x, Status(400, "%v", err))
		return true
	}
	if key == nil {
		return false
	}
	if !c.own || len(x.req.Body) > sumAtOnce {
		c.rt.tasks.Go(func() { c.claim(x, key) }) // bounded by the window
		return true
	}
	id, payload := c.idOf(x, key), sumOf(&x.req)
	w, err := c.Memory.Claim(context.Background(), id, payload, time.Now().Add(c.Window))
	switch {
	case err != nil:
		c.refuse(x, err)
		return true
	case w.State == WriteBegins:
		x.claim = &claim{c, id}
		return false
	case w.State == WriteUnderWay && w.Payload == payload:
		c.rt.tasks.Go(func() { c.wait(x, id, payload) })
		return true
	}
	c.known(x, w, payload)
	return true
}

// claim is the rest of takes for what may block.
func (c *claims) claim(x *Exchange, key []byte) { c.wait(x, c.idOf(x, key), sumOf(&x.req)) }

// wait serves the exchange if it is the first with its key, or answers it when the first has ended.
func (c *claims) wait(x *Exchange, id WriteID, payload PayloadSum) {
	ctx := x.Context()
	waits := false
	defer func() {
		if waits {
			c.waiting.Add(-1)
		}
	}()
	for pause := waitFirst; ; pause = min(2*pause, waitMost) {
		w, err := c.Memory.Claim(ctx, id, payload, time.Now().Add(c.Window))
		switch {
		case err != nil:
			c.refuse(x, err)
			return
		case w.State == WriteBegins:
			x.claim = &claim{c, id}
			c.rt.serve([]*Exchange{x})
			return
		case w.State == WriteEnded || w.Payload != payload:
			c.known(x, w, payload)
			return
		case !waits:
			if c.waiting.Add(1) > int64(max(c.rt.opts.Window/waitsPart, 1)) {
				c.waiting.Add(-1)
				c.conflict(x, "a request with this Idempotency-Key is under way, and too many wait for theirs: try again in a moment")
				return
			}
			waits = true
		}
		if x.Remaining() <= waitReserve+pause {
			c.conflict(x, "a request with this Idempotency-Key is still under way, or its process has died: its outcome isn't known")
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			c.answer(x, ctx.Err())
			return
		}
	}
}

// known answers a write that another has been before.
func (c *claims) known(x *Exchange, w Write, payload PayloadSum) {
	m := c.rt.metrics
	switch {
	case w.Payload != payload:
		m.repeated("mismatched").Inc()
		c.answer(x, Status(422, "this Idempotency-Key was used with another payload: use a new key for a new request"))
	case w.Answer == nil:
		c.conflict(x, "a request with this Idempotency-Key has come before, and its answer isn't known: it failed midway, or was too long to keep")
	default:
		m.repeated("replayed").Inc()
		c.begin(x)
		// A copy: what the exchange has is written to when it is used again.
		if err := x.resp.decode(append([]byte(nil), w.Answer...)); err != nil {
			x.Fail(fmt.Errorf("handlers: a remembered answer can't be decoded: %w", err))
			return
		}
		x.resp.Add([]byte("idempotency-replayed"), []byte("true"))
		x.Done()
	}
}

func (c *claims) conflict(x *Exchange, text string) {
	c.rt.metrics.repeated("conflict").Inc()
	c.answer(x, &StatusError{409, text})
}

// refuse answers a write that can't be remembered, and so must not be done.
func (c *claims) refuse(x *Exchange, err error) {
	switch {
	case x.Context().Err() != nil:
		c.answer(x, x.Context().Err())
		return
	case errors.Is(err, ErrMemoryFull):
		c.rt.metrics.repeated("full").Inc()
	default:
		c.rt.metrics.repeated("failed").Inc()
		if c.rt.limit.Allow("memory") {
			c.rt.log.Error().Err(err).Msg("the memory of writes failed; those with an Idempotency-Key are refused")
		}
	}
	c.answer(x, fmt.Errorf("%w: %w", ErrUnavailable, err))
}

// answer ends an exchange that the handler doesn't see.
func (c *claims) answer(x *Exchange, err error) {
	c.begin(x)
	x.Fail(err)
}

func (c *claims) begin(x *Exchange) {
	x.started = c.rt.bus.Now()
	x.bus.Start(x.started)
}

// idOf hashes what a key belongs to. Each part has its length before it, so that none runs into the
// next.
func (c *claims) idOf(x *Exchange, key []byte) (id WriteID) {
	h := sha256.New()
	r := &x.req
	for _, part := range [][]byte{r.Method, r.Host, r.Path, c.Who(r), key} {
		sumPart(h, part)
	}
	h.Sum(id[:0])
	return id
}

func sumOf(r *Request) (sum PayloadSum) {
	h := sha256.New()
	for _, part := range [][]byte{r.Query, r.Header.Get("content-type"), r.Header.Get("content-encoding"), r.Body} {
		sumPart(h, part)
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(r.Length)) // of one that comes in chunks: all that is known of the rest
	h.Write(n[:])
	h.Sum(sum[:0])
	return sum
}

func sumPart(h hash.Hash, part []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(part)))
	h.Write(n[:])
	h.Write(part)
}

// settle notes that the write has ended with an answer that isn't known, or that it wasn't done.
func (c *claim) settle(done bool) {
	if c.of.own {
		c.end(nil, done)
	} else {
		c.of.rt.tasks.Go(func() { c.end(nil, done) })
	}
}

// end notes how the write has ended: with an answer, with one that isn't known (nil), or, if not
// done, as if it had never come. Whatever the answer is, it is noted before it is sent: so who
// repeats the write for want of it finds it.
func (c *claim) end(answer []byte, done bool) {
	m := c.of.Memory
	var err error
	if done {
		err = m.Settle(c.id, answer)
	} else {
		err = m.Forget(c.id)
	}
	if rt := c.of.rt; err != nil && rt.limit.Allow("memory") {
		rt.log.Error().Err(err).Msg("the memory of writes failed; a write that was answered counts as under way")
	}
}

// note notes the response that is about to be sent.
func (c *claim) note(resp *Response) {
	if resp.Status == 429 || resp.Status == 503 {
		c.end(nil, false)
		return
	}
	answer := (*encoded)(resp).AppendTo(nil)
	if len(answer) > MaxRemembered {
		answer = nil
	}
	c.end(answer, true)
}

// settle ends the claim that the exchange has, if there is one.
func (x *Exchange) settle(done bool) {
	if c := x.claim; c != nil {
		x.claim = nil
		c.settle(done)
	}
}

// remember notes the response that is about to be sent, and then has it sent.
func (x *Exchange) remember(c *claim) {
	if c.of.own {
		c.note(&x.resp)
		x.deliver()
		return
	}
	x.rt.tasks.Go(func() {
		c.note(&x.resp)
		x.deliver()
	})
}

// notDone reports whether an error says that nothing was changed.
func notDone(err error) bool {
	var remote *nanobus.RemoteError
	return errors.Is(err, ErrNotDone) || errors.As(err, &remote) && remote.Code.NotActedUpon()
}
