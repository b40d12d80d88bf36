package nanobus

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/nanobus/link"
	"nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/nanobus/writer"
)

// atWork counts the requests that a link still points to. It must not, to one
// that was answered: by then that may be another link's.
func atWork(l *Link) int {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	n := 0
	l.Active.Each(func(*Request) { n++ })
	return n
}

// onlyLink is the one link of a bus.
func onlyLink(t testing.TB, b *Bus) *Link {
	t.Helper()
	ls := b.snapshotLinks()
	if len(ls) != 1 {
		t.Fatalf("%d links, want 1", len(ls))
	}
	return ls[0]
}

// However an answer fails, its link forgets the request before that is used
// again: else what becomes of the link is done to whoever has it then.
func TestRequest_AnsweredIsForgotten(t *testing.T) {
	bodies := (&wire.Hello{Version: wire.ProtocolVersion, Service: "stranger", Instance: "s-1", Bodies: true}).AppendTo(nil)
	for name, act := range map[string]func(t *testing.T, s *stranger, l *Link, h *held){
		"the link is closed for who writes": func(_ *testing.T, _ *stranger, l *Link, h *held) {
			l.Mu.Lock()
			l.Closed = true // as endWriting does: the reader goes on
			l.Mu.Unlock()
			h.answer()
		},
		"the link has gone": func(_ *testing.T, s *stranger, l *Link, h *held) {
			_ = s.Close()
			<-l.Ended
			h.answer()
		},
		"the peer reads less than it makes us say": func(_ *testing.T, _ *stranger, l *Link, h *held) {
			l.Mu.Lock()
			l.Out = append(l.Out, make([]byte, 2*writer.MaxGathered+1)...)
			l.Mu.Unlock()
			h.each(func(r *Request) { r.ReplyError(CodeInternal, "") })
		},
		"the body of the answer ends after the link": func(t *testing.T, s *stranger, l *Link, h *held) {
			var ws []*BodyWriter
			h.each(func(r *Request) {
				w, err := r.ReplyBody(Bytes("begin"))
				if err != nil {
					t.Fatal(err)
				}
				ws = append(ws, w)
			})
			_ = s.Close()
			<-l.Ended
			for _, w := range ws {
				_ = w.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var h held
			b, in := server(t, "1", Options{Serve: h.serve}, tcp)
			s := knock(t, in.Address)
			if err := s.say(bodies, requestOf(1, "x"), requestOf(2, "y")); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "requests at work", func() bool { return h.count() == 2 })
			l := onlyLink(t, b)
			act(t, s, l, &h)
			waitFor(t, "all answered", func() bool { return b.Served() == 0 })
			if n := atWork(l); n != 0 {
				t.Errorf("the link still points to %d requests that were answered", n)
			}
		})
	}
}

// The same for answers that wait while the peer doesn't read, and then find
// the link closed.
func TestRequest_AnsweredWhileWaitingIsForgotten(t *testing.T) {
	var waiting sync.WaitGroup
	b, in := server(t, "1", Options{Serve: func(batch []*Request) {
		for _, r := range batch {
			waiting.Go(func() { _ = r.Reply(Bytes(r.Payload())) })
		}
	}}, tcp)
	s := knock(t, in.Address)
	if err := s.say(helloOf("stranger", "s-1")); err != nil {
		t.Fatal(err)
	}
	payload := strings.Repeat("x", 200_000)
	for id := range uint64(100) { // more than the system holds for it
		if err := s.say(requestOf(id+1, payload)); err != nil {
			t.Fatal(err)
		}
	}
	l := onlyLink(t, b)
	waitFor(t, "answers to wait", func() bool {
		l.Mu.Lock()
		defer l.Mu.Unlock()
		return len(l.Out) > writer.MaxGathered
	})
	_ = s.Close()
	waiting.Wait()
	waitFor(t, "all answered", func() bool { return b.Served() == 0 })
	if n := atWork(l); n != 0 {
		t.Errorf("the link still points to %d requests that were answered", n)
	}
}

// A handler may ask for the context as often as it likes while the body comes
// to its end (for the race detector).
func TestRequest_ContextWhileTheBodyEnds(t *testing.T) {
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				_ = r.Context().Done()
				ended := make(chan struct{})
				go func() {
					_, _ = io.Copy(io.Discard, r.Body())
					close(ended)
				}()
				for going := true; going; {
					_ = r.Context().Err()
					select {
					case <-ended:
						going = false
					default:
					}
				}
				_ = r.Reply(Bytes(nil))
			}()
		}
	}}, tcp)
	b := bodyCaller(t, in)
	for range 20 {
		c := startBody(t, b, "", patience)
		_, _ = c.Upload.Write([]byte("x"))
		_ = c.Upload.Close()
		c.Wait()
		if c.Err != nil {
			t.Error(c.Err)
		}
		c.Release()
	}
	atRest(t, b, s)
}

// A body that ends in the message of its request starts the budget, too.
func TestBody_BudgetOfOneThatIsThereAtOnce(t *testing.T) {
	left := make(chan time.Duration, 1)
	_, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			go func() {
				_, err := io.Copy(io.Discard, r.Body())
				if err != nil {
					t.Error(err)
				}
				// The reader of the link sets the deadline when it has given the end.
				for deadline := time.Now().Add(patience / 6); r.Remaining() > time.Hour && time.Now().Before(deadline); {
					time.Sleep(time.Millisecond) // between looks at the condition
				}
				left <- r.Remaining()
				_ = r.Reply(Bytes(nil))
			}()
		}
	}}, tcp)
	s := knock(t, in.Address)
	request := requestOf(1, "head")
	request[5] = wire.FlagMore
	if err := s.say(helloOf("stranger", "s-1"), request, frameOf(wire.KindData, wire.FlagEnd, 1, 'x')); err != nil {
		t.Fatal(err)
	}
	if d := <-left; d > 10*time.Second {
		t.Errorf("the request has %v left, want at most its 10 s", d)
	}
}

// Requests that stand before a frame that ends the link are taken and counted
// like any others.
func TestReceive_RequestsBeforeWhatEndsTheLink(t *testing.T) {
	upload := requestOf(8, "upload")
	upload[5] = wire.FlagMore
	for name, c := range map[string]struct {
		before, bad []byte // a message of its own; what ends the link
		want        int
	}{
		"garbage":         {nil, []byte("\xff\xff\xff\xff garbage, garbage"), 2},
		"request":         {nil, frameOf(wire.KindRequest, 0, 9, 1, 2), 2},
		"response":        {nil, frameOf(wire.KindResponse, 0, 9, 1, 2), 2},
		"hello":           {nil, frameOf(wire.KindHello, 0, 0, 1), 2},
		"later version":   {nil, (&wire.Hello{Version: 2, Service: "stranger"}).AppendTo(nil), 2},
		"credit":          {nil, frameOf(wire.KindCredit, 0, 0, 1), 2},
		"too much credit": {requestOf(7, "stream"), frameOf(wire.KindCredit, wire.FlagResponse, 7, 0x7f, 0xff, 0xff, 0xff), 3},
		"too much data":   {upload, frameOf(wire.KindData, 0, 8, make([]byte, BodyCredit+1)...), 3},
		"event":           {nil, frameOf(wire.KindEvent, 0, 0, 200, 'x'), 2},
		"ping":            {nil, frameOf(wire.KindPing, 0, 0, 1), 2},
		"pong":            {nil, frameOf(wire.KindPong, 0, 0, 1), 2},
		"tap":             {nil, frameOf(wire.KindTap, 0, 0), 2},
		"flood":           {nil, bytes.Repeat(helloOf("stranger", "s-1"), 4096/64+1), 2},
	} {
		t.Run(name, func(t *testing.T) {
			var h held
			var served atomic.Int32
			var stream atomic.Pointer[BodyWriter]
			b, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
				for _, r := range batch {
					if string(r.Payload()) != "stream" {
						h.serve([]*Request{r})
					} else if w, err := r.ReplyBody(Bytes("")); err != nil {
						t.Error(err)
					} else {
						stream.Store(w)
					}
				}
				served.Add(int32(len(batch)))
			}}, tcp)
			s := knock(t, in.Address)
			hello := (&wire.Hello{Version: wire.ProtocolVersion, Service: "stranger", Instance: "s-1", Bodies: true}).AppendTo(nil)
			if err := s.say(hello, c.before); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				waitFor(t, "the request before", func() bool { return served.Load() == 1 })
			}
			_ = s.say(requestOf(1, "x"), requestOf(2, "y"), c.bad)
			s.closed()
			waitFor(t, "the requests before it", func() bool { return int(served.Load()) == c.want })
			h.answer()
			if w := stream.Load(); w != nil {
				_ = w.Close()
			}
			waitFor(t, "nothing left to answer", func() bool { return b.Served() == 0 })
		})
	}
}

// What gathers while a write fails is dropped whole: the writer must not meet
// cuts of what isn't there.
func TestLink_FailedWriteLeavesNothing(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	for _, name := range []string{"s-1", "s-2"} {
		if err := knock(t, in.Address).say(helloOf("stranger", name)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "both links", func() bool {
		ls := b.snapshotLinks()
		return len(ls) == 2 && ls[0].Is(link.Live) && ls[1].Is(link.Live)
	})
	ls := b.snapshotLinks()
	l, ear := ls[0], ls[1]
	if !l.CanTry {
		testutil.Skip(t, "there is no writing without waiting here")
	}
	// Copies for the ear hold the write up, after what gathered was taken.
	b.taps.put(ear, &listener{link: ear, asks: tap.Request{Sample: tap.Whole, Kinds: 1 << wire.KindPing}})
	if err := l.Pipe.CloseWrite(); err != nil { // so that it fails
		t.Fatal(err)
	}
	ear.Mu.Lock()
	wrote := make(chan struct{})
	waitFor(t, "the writer to rest", func() bool {
		l.Mu.Lock()
		if !l.CanNow() {
			l.Mu.Unlock()
			return false
		}
		l.Out = append(l.Out, frameOf(wire.KindPing, 0, 0, make([]byte, 8)...)...)
		l.Frames++
		go func() {
			l.WriteNow() // releases mu
			close(wrote)
		}()
		return true
	})
	waitFor(t, "a write to be held up", func() bool {
		l.Mu.Lock()
		defer l.Mu.Unlock()
		return !l.Parked && len(l.Out) == 0
	})
	for range 3 {
		l.Control(wire.KindPing, 0, 0, make([]byte, 60<<10-100)...)
	}
	ear.Mu.Unlock()
	<-wrote
	l.Mu.Lock()
	defer l.Mu.Unlock()
	if len(l.Out) == 0 && (len(l.Cuts) != 0 || l.Cut != 0 || l.Frames != 0) {
		t.Errorf("nothing is gathered, with cuts at %v, and %d frames from %d on", l.Cuts, l.Frames, l.Cut)
	}
}

// A body that is broken off takes along who still writes to it.
func TestBody_BrokenOffUnderWrite(t *testing.T) {
	ended, begun := make(chan error, 1), make(chan *BodyWriter, 1)
	s, in := server(t, "1", Options{Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			w, err := r.ReplyBody(Bytes("head"))
			if err != nil {
				t.Error(err)
				return
			}
			begun <- w
			go func() {
				_, err := w.Write(make([]byte, 2*BodyCredit)) // nobody reads
				ended <- err
			}()
		}
	}}, tcp)
	b := bodyCaller(t, in)
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes(""), patience); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if c.Err != nil {
		t.Fatal(c.Err)
	}
	waitFor(t, "no credit left", func() bool { return c.Download.Buffered() == BodyCredit })
	(<-begun).Break(CodeInternal, "")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("all was written")
		}
	case <-time.After(patience):
		t.Error("Write still waits")
	}
	c.Release()
	atRest(t, b, s)
}
