package nanobus

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// noise is n bytes that differ from place to place.
func noise(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), n) }

func sum(t testing.TB, r io.Reader) (n int64, digest string) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Errorf("after %d bytes: %v", n, err)
	}
	return n, string(h.Sum(nil))
}

// bodyEcho answers each request with its own body, in chunks.
func bodyEcho(batch []*Request) {
	for _, r := range batch {
		go func() {
			w, err := r.ReplyBody(Bytes(r.Payload()))
			if err != nil {
				return
			}
			if r.Body() != nil {
				if _, err := io.CopyBuffer(w, struct{ io.Reader }{r.Body()}, make([]byte, 32<<10)); err != nil {
					w.Break(CodeInternal, err.Error())
					return
				}
			}
			_ = w.Close()
		}()
	}
}

// atRest checks that nothing is left of any body.
func atRest(t testing.TB, buses ...*Bus) {
	t.Helper()
	for _, b := range buses {
		waitFor(t, "no body, slot, credit or request left", func() bool {
			in, out, held := b.node.Bodies.UnderWay()
			idle := in == 0 && out == 0 && held == 0 && b.node.Calls.Table.Used.Load() == 0 && b.Served() == 0
			for _, l := range b.snapshotLinks() {
				idle = idle && l.InFlight() == 0
			}
			return idle
		})
	}
}

func bodyCaller(t testing.TB, instances ...Instance) *Bus {
	t.Helper()
	b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true})
	linkUp(t, b, instances...)
	return b
}

func startBody(t testing.TB, b *Bus, payload string, budget time.Duration) *Call {
	t.Helper()
	c := NewCall()
	c.SendMore = true
	if err := b.Service("s").Go(c, Bytes(payload), budget); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBody_BothWaysAtOnce(t *testing.T) {
	s, in := server(t, "1", Options{Serve: bodyEcho, Bodies: true}, tcp)
	b := bodyCaller(t, in)
	for _, size := range []int64{0, 1, body.ChunkSize, BodyCredit, BodyCredit + 1, 20 << 20} {
		c := startBody(t, b, "head", patience)
		wantN, want := sum(t, noise(size))
		go func() {
			if _, err := io.Copy(c.Upload, noise(size)); err != nil {
				t.Errorf("%d bytes: sending: %v", size, err)
			}
			if err := c.Upload.Close(); err != nil {
				t.Errorf("%d bytes: end: %v", size, err)
			}
		}()
		c.Wait()
		if c.Err != nil || string(c.Payload) != "head" || c.Download == nil {
			t.Fatalf("%d bytes: reply %q, %v", size, c.Payload, c.Err)
		}
		if n, got := sum(t, c.Download); n != wantN || got != want {
			t.Errorf("%d bytes sent, %d others came back", wantN, n)
		}
		c.Release()
		atRest(t, b, s)
	}
}

// A slow reader slows its own body and nothing else on the link.
func TestBody_SlowReaderHurtsNobodyElse(t *testing.T) {
	s, in := server(t, "1", Options{Serve: bodyEcho, Bodies: true}, tcp)
	b := bodyCaller(t, in)
	stuck := startBody(t, b, "", patience)
	stuck.Wait() // the reply has begun, and nobody reads it
	var sent atomic.Int64
	stopped := make(chan error, 1)
	upload := stuck.Upload
	go func() {
		for {
			n, err := upload.Write(make([]byte, body.ChunkSize))
			sent.Add(int64(n))
			if err != nil {
				_ = upload.Close()
				stopped <- err
				return
			}
		}
	}()
	other := startBody(t, b, "", patience)
	go func() {
		_, _ = io.Copy(other.Upload, noise(20<<20))
		_ = other.Upload.Close()
	}()
	other.Wait()
	for range 100 {
		if _, err := call(t, b, "small", patience); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := sum(t, other.Download); n != 20<<20 {
		t.Errorf("the other body has %d bytes", n)
	}
	if n := sent.Load(); n > 4*body.MaxCredit {
		t.Errorf("%d bytes were taken for a reader that doesn't read", n)
	}
	stuck.Release()
	if err := <-stopped; !errors.Is(err, ErrAnswered) && !errors.Is(err, ErrCancelled) {
		t.Errorf("after the reader had closed: %v", err)
	}
	other.Release()
	atRest(t, b, s)
}

func TestBody_BudgetCountsFromItsEnd(t *testing.T) {
	release := make(chan struct{})
	var expired atomic.Bool
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				ctx := r.Context()
				done := ctx.Done()
				if r.Remaining() < time.Hour {
					t.Errorf("remaining %v before the body has ended", r.Remaining())
				}
				_, _ = io.Copy(io.Discard, r.Body())
				<-done
				expired.Store(true)
				<-release
				_ = r.Reply(Bytes("done"))
			}()
		}
	}}, tcp)
	b := bodyCaller(t, in)
	c := startBody(t, b, "", 50*time.Millisecond)
	begin := time.Now()
	for time.Since(begin) < 150*time.Millisecond { // well past the budget
		if _, err := c.Upload.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // the pace of a slow sender
	}
	ended := time.Now()
	_ = c.Upload.Close()
	c.Wait()
	if !errors.Is(c.Err, ErrTimeout) || time.Since(ended) < 50*time.Millisecond {
		t.Errorf("got %v after %v", c.Err, time.Since(ended))
	}
	c.Release()
	waitFor(t, "the handler's context ended", expired.Load)
	close(release)
	atRest(t, b, s)
}

func TestBody_ReplyBeforeTheEnd(t *testing.T) {
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			_ = r.Reply(Bytes("no"))
		}
	}}, tcp)
	b := bodyCaller(t, in)
	c := startBody(t, b, "", patience)
	var err error
	for err == nil {
		_, err = c.Upload.Write(make([]byte, 1000))
	}
	if !errors.Is(err, ErrAnswered) {
		t.Errorf("got %v", err)
	}
	if err := c.Upload.Close(); !errors.Is(err, ErrAnswered) {
		t.Errorf("close: %v", err)
	}
	c.Wait()
	if c.Err != nil || string(c.Payload) != "no" {
		t.Errorf("got %q, %v", c.Payload, c.Err)
	}
	c.Release()
	atRest(t, b, s)
}

func TestBody_BrokenOff(t *testing.T) {
	got := make(chan error, 1)
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				if r.Body() != nil {
					_, err := io.Copy(io.Discard, r.Body())
					got <- err
					_ = r.Reply(Bytes(nil))
					return
				}
				w, err := r.ReplyBody(Bytes("head"))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = w.Write([]byte("half"))
				w.Break(CodeInternal, "disk full")
			}()
		}
	}}, tcp)
	b := bodyCaller(t, in)

	c := startBody(t, b, "", patience)
	_, _ = c.Upload.Write([]byte("half"))
	c.Upload.Break(CodeCancelled, "client has gone")
	c.Wait()
	if !errors.Is(c.Err, ErrCancelled) {
		t.Errorf("the call ended with %v", c.Err)
	}
	c.Release()
	var remote *RemoteError
	if err := <-got; !errors.As(err, &remote) || remote.Text != "client has gone" {
		t.Errorf("the responder saw %v", err)
	}

	c = NewCall()
	if err := b.Service("s").Go(c, Bytes(""), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	data, err := io.ReadAll(c.Download)
	if !errors.As(err, &remote) || remote.Text != "disk full" || string(data) != "half" {
		t.Errorf("the caller saw %q, %v", data, err)
	}
	c.Release()
	atRest(t, b, s)
}

func TestBody_LinkBreaks(t *testing.T) {
	seen := make(chan error, 1)
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				w, err := r.ReplyBody(Bytes(""))
				if err != nil {
					t.Error(err)
					return
				}
				for err == nil {
					_, err = w.Write(make([]byte, 100))
				}
				_ = w.Close()
				seen <- err
			}()
		}
	}}, tcp)
	b := bodyCaller(t, in)
	c := startBody(t, b, "", patience)
	c.Wait()
	c.Link.Close("test")
	if _, err := io.Copy(io.Discard, c.Download); !errors.Is(err, ErrLinkDown) {
		t.Errorf("reading: %v", err)
	}
	var err error
	for err == nil {
		_, err = c.Upload.Write(make([]byte, 100))
	}
	if !errors.Is(err, ErrLinkDown) {
		t.Errorf("sending: %v", err)
	}
	_ = c.Upload.Close()
	c.Release()
	if err := <-seen; !errors.Is(err, ErrLinkDown) && !errors.Is(err, ErrCancelled) {
		t.Errorf("the responder saw %v", err)
	}
	atRest(t, b, s)
}

func TestBody_TooManyAtOnce(t *testing.T) {
	s, in := server(t, "1", Options{Serve: bodyEcho, Bodies: true, MaxBodies: 1}, tcp)
	b := bodyCaller(t, in)
	first := startBody(t, b, "", patience)
	first.Wait()
	second := startBody(t, b, "", patience)
	second.Wait()
	var remote *RemoteError
	if !errors.As(second.Err, &remote) || remote.Code != CodeOverWindow {
		t.Errorf("got %v", second.Err)
	}
	_ = second.Upload.Close()
	second.Release()
	_ = first.Upload.Close()
	_, _ = io.Copy(io.Discard, first.Download)
	first.Release()
	atRest(t, b, s)

	// The caller's side of it.
	s2, in2 := server(t, "2", Options{Serve: bodyEcho, Bodies: true}, tcp)
	b2 := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true, MaxBodies: 1})
	linkUp(t, b2, in2)
	first = startBody(t, b2, "", patience)
	first.Wait()
	second = startBody(t, b2, "", patience)
	second.Wait()
	if !errors.Is(second.Err, ErrTooManyBodies) {
		t.Errorf("got %v", second.Err)
	}
	_ = second.Upload.Close()
	second.Release()
	_ = first.Upload.Close()
	_, _ = io.Copy(io.Discard, first.Download)
	first.Release()
	atRest(t, b2, s2)
}

func TestBody_PeerWithoutThem(t *testing.T) {
	in, _ := barePeer(t, 0)
	b := bodyCaller(t, in)
	c := NewCall()
	c.SendMore = true
	if err := b.Service("s").Go(c, Bytes(""), patience); !errors.Is(err, ErrNoBodies) {
		t.Errorf("got %v", err)
	}
	atRest(t, b)
}

// Nor does a responder take them that has not said so: its handler would miss
// what follows.
func TestBody_ResponderWithoutThem(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	s := stockPeer(t)
	if err := s.Dial(in.Address); err != nil {
		t.Fatal(err)
	}
	recvFrame(t, s, wire.KindHello)
	hello := wire.Hello{Version: wire.ProtocolVersion, Service: "caller", Instance: "c", Bodies: true}
	send(t, s, append(hello.AppendTo(nil), vector("request-more")...))
	f := recvFrame(t, s, wire.KindResponse)
	if e := wire.DecodeRemoteError(f.Body[wire.ResponseFixed:]); f.Flags != wire.FlagError || e.Code != CodeMalformed {
		t.Errorf("got flags %d, %v", f.Flags, e)
	}
}

// More data than was granted ends the link of who sent it.
func TestBody_DataBeyondCredit(t *testing.T) {
	in, conn := barePeer(t, wire.HelloBodies)
	b := bodyCaller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes(""), patience); err != nil {
		t.Fatal(err)
	}
	reply := wire.Begin(nil, wire.KindResponse, wire.FlagMore, c.ID())
	reply = append(reply, make([]byte, wire.ResponseFixed)...)
	wire.End(reply, 0)
	start := len(reply)
	reply = wire.Begin(reply, wire.KindData, wire.FlagResponse, c.ID())
	reply = append(reply, make([]byte, BodyCredit+1)...)
	wire.End(reply, start)
	(<-conn).send(reply)
	c.Wait()
	if c.Err != nil || c.Download == nil {
		t.Fatal(c.Err)
	}
	if _, err := io.Copy(io.Discard, c.Download); !errors.Is(err, ErrLinkDown) {
		t.Errorf("got %v", err)
	}
	c.Release()
	atRest(t, b)
}

// However many bodies there are, what is held of them is bounded.
func TestBody_MemoryIsBounded(t *testing.T) {
	const bodies, size = 100, 4 << 20
	s, in := server(t, "1", Options{Serve: bodyEcho, Bodies: true}, tcp)
	b := bodyCaller(t, in)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	calls := make([]*Call, bodies)
	var senders sync.WaitGroup
	for i := range calls {
		c := startBody(t, b, "", patience)
		calls[i] = c
		senders.Go(func() {
			_, _ = io.Copy(c.Upload, noise(size)) // until it blocks: nobody reads yet
			_ = c.Upload.Close()
		})
	}
	var last int64
	waitFor(t, "all senders to be blocked", func() bool {
		n := int64(s.node.Metrics.BytesIn.Value())
		same := n == last && n > bodies*BodyCredit
		last = n
		time.Sleep(20 * time.Millisecond) // to see whether it still grows
		return same
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Both ends are in this process: what the responder has read and not sent,
	// and what the caller has received.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2*(body.Memory+bodies*(BodyCredit+2*body.BlockSize))+8<<20 {
		t.Errorf("%d MiB held for %d bodies that nobody reads", grown>>20, bodies)
	}
	var readers sync.WaitGroup
	_, want := sum(t, noise(size))
	for _, c := range calls {
		readers.Go(func() {
			c.Wait()
			if n, got := sum(t, c.Download); n != size || got != want {
				t.Errorf("%d bytes came back, or others", n)
			}
			c.Release()
		})
	}
	readers.Wait()
	senders.Wait()
	atRest(t, b, s)
}

func BenchmarkBody(b *testing.B) {
	_, in := server(b, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body()}, make([]byte, 32<<10))
				_ = r.Reply(Bytes(nil))
			}()
		}
	}}, tcp)
	bus := bodyCaller(b, in)
	chunk := make([]byte, 32<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	c := startBody(b, bus, "", time.Minute)
	for b.Loop() {
		if _, err := c.Upload.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.Upload.Close()
	c.Wait()
}
