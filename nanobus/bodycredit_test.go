package nanobus

import (
	"errors"
	"io"
	"testing"

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

// A response's body that is given up for silence is cancelled, and takes its
// part of the window until its sender has ended it: else the next request would
// be one too many there.
func TestBody_GivenUpForSilence(t *testing.T) {
	cancelled, release := make(chan error, 1), make(chan struct{})
	s, in := server(t, "1", Options{Bodies: true, Window: 1, Serve: stalling(t, cancelled, release)}, tcp)
	b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true, MaxBodies: 1})
	link(t, b, in)
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
	c.Link.endStalled(b.now() + 2*int64(bodyIdle))
	if _, err := io.ReadAll(c.Download); !errors.Is(err, ErrTimeout) {
		t.Errorf("reading what was given up: %v", err)
	}
	if err := <-cancelled; !errors.Is(err, ErrCancelled) {
		t.Errorf("its sender got %v", err)
	}
	if n := b.bodiesIn.Load(); n != 0 {
		t.Errorf("%d bodies are counted, want room for the next", n)
	}
	l := c.Link
	l.endStalled(b.now() + 4*int64(bodyIdle)) // however long it takes
	if _, err := call(t, b, "y", patience); !errors.Is(err, ErrNoCredit) {
		t.Errorf("a request while the peer is still at work: %v", err)
	}
	c.Release()
	close(release)
	waitFor(t, "the credit", func() bool { return l.InFlight() == 0 })
	if n := s.metrics.droppedWindow.Value(); n != 0 {
		t.Errorf("%d requests were refused as over the window", n)
	}
	atRest(t, b, s)
}

// The same for a body that is one too many, and for one whose call has ended.
func TestBody_UnwantedKeepsItsCredit(t *testing.T) {
	cancelled, release := make(chan error, 2), make(chan struct{})
	s, in := server(t, "1", Options{Bodies: true, Window: 2, Serve: stalling(t, cancelled, release)}, tcp)
	b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true, MaxBodies: 1})
	link(t, b, in)
	first, second := NewCall(), NewCall()
	for _, c := range []*Call{first, second} {
		if err := b.Service("s").Go(c, Bytes("x"), patience); err != nil {
			t.Fatal(err)
		}
	}
	first.Wait()
	second.Wait()
	if first.Err != nil {
		first, second = second, first
	}
	if !errors.Is(second.Err, ErrTooManyBodies) {
		t.Fatalf("got %v and %v", first.Err, second.Err)
	}
	l := first.Link
	<-cancelled
	first.Release()
	<-cancelled
	if n := l.InFlight(); n != 2 {
		t.Errorf("%d credits are taken while both are at work there, want 2", n)
	}
	close(release)
	second.Release()
	atRest(t, b, s)
	if n := b.metrics.droppedStray.Value(); n != 0 {
		t.Errorf("%d counted as stray", n)
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
	l, peer := onlyLink(t, b), <-conn
	for i := range uint64(1000) {
		peer.send(frameOf(wire.KindResponse, wire.FlagMore, c.ID()+(i+1)<<slotBits, make([]byte, wire.ResponseFixed)...))
	}
	waitFor(t, "all read", func() bool { return b.metrics.droppedLate.Value() == 1000 })
	l.mu.Lock()
	if n := len(l.readers); n > 1 {
		t.Errorf("the ends of %d bodies are awaited, for one request", n)
	}
	l.mu.Unlock()
}
