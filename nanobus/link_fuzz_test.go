package nanobus

import (
	"encoding/binary"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol"

	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// fakePipe is a connection without a network: what the test puts in is
// received, what is sent is thrown away.
type fakePipe struct {
	bus     *Bus
	in      chan []byte
	closed  chan struct{}
	once    sync.Once
	private any
}

func (p *fakePipe) ID() uint32      { return 1 }
func (p *fakePipe) Address() string { return "fake" }

func (p *fakePipe) SendMsg(m *protocol.Message) error {
	m.Body = nil // the link's
	m.Free()
	select {
	case <-p.closed:
		return mangos.ErrClosed
	default:
		return nil
	}
}

func (p *fakePipe) RecvMsg() *protocol.Message {
	select {
	case b, ok := <-p.in:
		if !ok {
			_ = p.Close()
			return nil
		}
		m := mangos.NewMessage(len(b))
		m.Body = append(m.Body, b...)
		return m
	case <-p.closed:
		return nil
	}
}

func (p *fakePipe) Close() error {
	p.once.Do(func() {
		close(p.closed)
		if p.private != nil {
			p.bus.detach(p.private)
		}
	})
	return nil
}

func (p *fakePipe) SetPrivate(v any) { p.private = v }
func (p *fakePipe) GetPrivate() any  { return p.private }

// frames makes a sequence of messages of what a fuzzer gives: for each frame
// its kind, flags, id, and body; a kind of 255 ends a message.
func framesOf(b []byte) (messages [][]byte) {
	var msg []byte
	for len(b) >= 4 {
		k, flags, id, n := wire.Kind(b[0]), b[1], uint64(b[2]), int(b[3])
		b = b[4:]
		if k == 255 {
			messages = append(messages, msg)
			msg = nil
			continue
		}
		n = min(n, len(b))
		msg = append(msg, frameOf(k, flags, id, b[:n]...)...)
		b = b[n:]
	}
	return append(messages, append(msg, b...)) // and a rest that is no frame
}

// FuzzLink feeds frame sequences to a live link, with and without a secret.
// Whatever comes, nothing panics or hangs, every request is answered, and
// another link of the same bus works on.
func FuzzLink(f *testing.F) {
	asInput := func(frames ...[]byte) []byte {
		var b []byte
		for _, fr := range frames {
			n := len(fr) - wire.HeaderSize
			b = append(append(b, fr[4], fr[5], fr[15], byte(min(n, 255))), fr[wire.HeaderSize:wire.HeaderSize+min(n, 255)]...)
		}
		return b
	}
	hello := helloOf("s", "1")
	files, _ := filepath.Glob("wire/testdata/*.hex")
	if len(files) == 0 {
		f.Fatal("no vectors in wire/testdata")
	}
	for _, file := range files {
		v := vector(strings.TrimSuffix(filepath.Base(file), ".hex"))
		if binary.BigEndian.Uint32(v) == uint32(len(v)) { // small
			f.Add(asInput(hello, v, v), false)
			f.Add(asInput(vector("hello-nonce"), v), true)
		}
	}
	f.Add(asInput(hello, requestOf(1, "a"), frameOf(wire.KindCancel, 0, 1), requestOf(1, "b"), frameOf(wire.KindDraining, 0, 0)), false)
	f.Add(asInput(hello, vector("request-more"), vector("data"), vector("credit-body"), vector("data-end")), false)
	f.Add(asInput(hello, vector("request-more"), vector("data-broken"), vector("cancel")), false)
	serve := func(batch []*Request) {
		for _, r := range batch {
			if r.Body() == nil {
				echo([]*Request{r})
				continue
			}
			go func() { // ends with the body, or with the link
				w, err := r.ReplyBody(Bytes(r.Payload()))
				if err == ErrNoBodies { //nolint:errorlint // never wrapped
					_, _ = io.Copy(io.Discard, r.Body())
					_ = r.Reply(Bytes(nil))
				} else if err == nil {
					_, _ = io.Copy(w, r.Body())
					_ = w.Close()
				}
			}()
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, secret bool) {
		o := Options{Service: "s", Instance: "fuzzed", Window: 8, Slots: 16, Serve: serve, Bodies: true, MaxBodies: 4, Subscriptions: map[string]func(Event){"profile.updated": func(Event) {}}}
		if secret {
			o.Security = secretA
		}
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		p := &fakePipe{bus: b, in: make(chan []byte), closed: make(chan struct{})}
		if err := b.attach(sp.NewPipe(p), nil); err != nil {
			t.Fatal(err)
		}
		for _, msg := range framesOf(input) {
			select {
			case p.in <- msg:
			case <-p.closed:
			}
		}
		close(p.in)
		select {
		case <-p.closed:
		case <-time.After(patience):
			t.Fatal("the reader hangs")
		}
		waitFor(t, "all answered", func() bool { return b.Served() == 0 })
		if n := b.node.Calls.Table.Used.Load(); n != 0 {
			t.Errorf("%d slots in use", n)
		}
		waitFor(t, "no body under way", func() bool { in, out, _ := b.node.Bodies.UnderWay(); return in == 0 && out == 0 })
		waitFor(t, "the link gone", func() bool { return len(b.snapshotLinks()) == 0 })
		_ = b.Close()
	})
}
