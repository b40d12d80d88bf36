package nanobus

import (
	"errors"
	"io"
	"testing"

	"nanofront/nanobus/body"
	"nanofront/nanobus/wire"
)

// stalling answers each request with a body that stands still until it is told
// to end, and then until release is closed.
func stalling(t *testing.T, cancelled chan<- error, release <-chan struct{}) func([]*Request) {
	return func(batch []*Request) {
		for _, r := range batch {
			go func() {
				ctx := r.Context()
				w, err := r.ReplyBody(Bytes("head"))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = w.Write([]byte("begin"))
				<-ctx.Done()
				_, err = w.Write([]byte("more"))
				cancelled <- err
				<-release
				_ = w.Close()
			}()
		}
	}
}

// A response that streams takes no part of the window, and may be quiet for as long as its link
// lives.
func TestBody_QuietStreams(t *testing.T) {
	const streams = 50
	cancelled, release := make(chan error, streams), make(chan struct{})
	s, in := server(t, "1", Options{Bodies: true, Window: 1, Serve: stalling(t, cancelled, release)}, tcp)
	b := bodyCaller(t, in)
	var calls []*Call
	for range streams {
		c := NewCall()
		if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
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
	for _, bus := range []*Bus{b, s} {
		bus.node.Bodies.Sweep(bus.node.Nanos() + 100*int64(body.Idle))
	}
	for _, c := range calls {
		if n, err := c.Download.TryRead(make([]byte, 1), func() {}); n != 0 || err != nil {
			t.Fatalf("reading a quiet stream: %d bytes, %v", n, err)
		}
	}
	for _, c := range calls {
		c.Release()
	}
	for range calls {
		if err := <-cancelled; !errors.Is(err, ErrCancelled) {
			t.Errorf("its sender got %v", err)
		}
	}
	close(release)
	if n := s.node.Metrics.DroppedWindow.Value(); n != 0 {
		t.Errorf("%d requests were refused as over the window", n)
	}
	atRest(t, b, s)
}

// A request's body that stands still is given up: by its sender if it has no credit, by its
// receiver if it has sent none.
func TestBody_RequestStandsStill(t *testing.T) {
	for _, reads := range []bool{false, true} {
		seen := make(chan error, 1)
		s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
			for _, r := range batch {
				go func() {
					var err error
					if reads {
						_, err = io.Copy(io.Discard, r.Body())
					} else {
						ctx := r.Context()
						<-ctx.Done()
						err = ctx.Err()
					}
					seen <- err
					_ = r.Reply(Bytes(nil))
				}()
			}
		}}, tcp)
		b := bodyCaller(t, in)
		c := startBody(t, b, "", patience)
		if reads {
			if _, err := c.Upload.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the reader", func() bool { in, _, _ := s.node.Bodies.UnderWay(); return in == 1 })
			s.node.Bodies.Sweep(s.node.Nanos() + 2*int64(body.Idle))
			if err := <-seen; !errors.Is(err, ErrTimeout) {
				t.Errorf("its reader got %v", err)
			}
			c.Wait()
			_ = c.Upload.Close() // answered
		} else {
			sent := make(chan error, 1)
			go func() {
				_, err := c.Upload.Write(make([]byte, 2*BodyCredit))
				_ = c.Upload.Close() // fails too
				sent <- err
			}()
			waitFor(t, "no credit left", func() bool { _, _, held := s.node.Bodies.UnderWay(); return held == BodyCredit })
			b.node.Bodies.Sweep(b.node.Nanos() + 2*int64(body.Idle))
			if err := <-sent; !errors.Is(err, ErrTimeout) {
				t.Errorf("its sender got %v", err)
			}
			c.Wait()
			if !errors.Is(c.Err, ErrTimeout) {
				t.Errorf("the call ended with %v", c.Err)
			}
			<-seen
		}
		c.Release()
		atRest(t, b, s)
	}
}

// A body that is one too many, for either side, is refused, and costs no credit.
func TestBody_OneTooMany(t *testing.T) {
	for name, most := range map[string][2]int{"caller": {1, 0}, "responder": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			s, in := server(t, "1", Options{Bodies: true, Window: 2, MaxBodies: most[1], Serve: func(batch []*Request) {
				for _, r := range batch {
					go func() {
						ctx := r.Context()
						w, err := r.ReplyBody(Bytes("head"))
						if errors.Is(err, ErrTooManyBodies) {
							r.ReplyError(CodeOverWindow, "")
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						<-ctx.Done()
						_ = w.Close()
					}()
				}
			}}, tcp)
			b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true, MaxBodies: most[0]})
			linkUp(t, b, in)
			first, second := NewCall(), NewCall()
			for _, c := range []*Call{first, second} {
				if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
					t.Fatal(err)
				}
				c.Wait()
			}
			if second.Err == nil {
				t.Error("the second body was taken")
			}
			first.Release()
			second.Release()
			atRest(t, b, s)
			if n := b.node.Metrics.DroppedStray.Value(); n != 0 {
				t.Errorf("%d counted as stray", n)
			}
		})
	}
}

// A peer can't have us wait for the ends of more bodies than it was asked for.
func TestHostile_BodiesNobodyAskedFor(t *testing.T) {
	in, conn := barePeer(t, wire.HelloBodies)
	b := bodyCaller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes(""), patience); err != nil {
		t.Fatal(err)
	}
	peer := <-conn
	for i := range uint64(1000) {
		peer.send(frameOf(wire.KindResponse, wire.FlagMore, c.ID()+(i+1)<<24, make([]byte, wire.ResponseFixed)...))
	}
	waitFor(t, "all read", func() bool { return b.node.Metrics.DroppedLate.Value()+b.node.Metrics.DroppedStray.Value() == 1000 })
	if in, _, _ := b.node.Bodies.UnderWay(); in > 0 {
		t.Errorf("%d bodies are awaited that nobody asked for", in)
	}
}
