package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
)

// What docs/protocol.md asks of a responder, put to the handlers of examples/ by
// bytes that are made here and not by nanobus: kinds, codes and sizes are the
// document's.
const (
	wireHello, wireRequest, wireResponse, wireCancel = 1, 2, 3, 5
	wireDraining, wirePing, wirePong                 = 8, 9, 10
	wireUnknown                                      = 200

	codeInternal, codeOverWindow, codeExpired, codeTooLarge, codeMalformed, codeCancelled = 1, 3, 4, 6, 7, 8

	maxMessage = 1 << 20
)

// own is the origin in the ids of requests whose answers are waited for. A stock
// BUS socket sends everybody's to everybody.
const own = uint64(0xfedc) << 48

var wireGreeting = []byte{0, 'S', 'P', 0, 0, 0x70, 0, 0}

// wireFrame is a frame as it is sent or was received.
type wireFrame struct {
	kind, flags uint8
	id          uint64
	body        []byte
}

func (f wireFrame) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(f.body)))
	b = append(b, f.kind, f.flags, 0, 0)
	b = binary.BigEndian.AppendUint64(b, f.id)
	return append(b, f.body...)
}

// code is that of an error response; 0 for any other.
func (f wireFrame) code() int {
	if f.flags&1 == 0 || len(f.body) < 18 {
		return 0
	}
	return int(binary.BigEndian.Uint16(f.body[16:]))
}

// wirePeer is a caller on TCP.
type wirePeer struct {
	conn net.Conn
	rest []byte // frames of the last message that were not looked at yet
}

// dialWire connects and exchanges SP's greeting.
func dialWire(t *testing.T, address string) *wirePeer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // nothing is lost with it
	p := &wirePeer{conn: conn}
	_ = conn.SetDeadline(time.Now().Add(testutil.Patience)) // fails with what the next call says
	var theirs [8]byte
	if _, err := conn.Write(wireGreeting); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, theirs[:]); err != nil || !bytes.Equal(theirs[:], wireGreeting) {
		t.Fatalf("greeted with %x, %v", theirs, err)
	}
	return p
}

// greetedWire is dialWire, and hello from both sides.
func greetedWire(t *testing.T, address string) *wirePeer {
	t.Helper()
	p := dialWire(t, address)
	p.send(t, helloOf("asker"))
	h := p.next(t, wireHello)
	if version, window := binary.BigEndian.Uint16(h.body), binary.BigEndian.Uint32(h.body[4:]); version != 1 || window == 0 || window > 65_536 {
		t.Fatalf("hello of version %d with window %d", version, window)
	}
	if !bytes.HasPrefix(h.body[8:], []byte("\x07greeter\x00")) {
		t.Fatalf("hello of %q", h.body[8:])
	}
	return p
}

func helloOf(service string) wireFrame {
	b := []byte{0, 1, 0, 0, 0, 0, 0, 0, byte(len(service))}
	return wireFrame{kind: wireHello, body: append(append(b, service...), 0, 1, 'x', 0)}
}

// send sends the frames as one message.
func (p *wirePeer) send(t *testing.T, frames ...wireFrame) {
	t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f.bytes()...)
	}
	if err := p.write(all); err != nil {
		t.Fatal(err)
	}
}

func (p *wirePeer) write(message []byte) error {
	_, err := p.conn.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(message))), message...))
	return err
}

// read returns the next frame of one of the kinds; pings on the way are answered.
func (p *wirePeer) read(kinds ...uint8) (wireFrame, error) {
	for {
		if len(p.rest) == 0 {
			var size [8]byte
			if _, err := io.ReadFull(p.conn, size[:]); err != nil {
				return wireFrame{}, err
			}
			n := binary.BigEndian.Uint64(size[:])
			if n > maxMessage {
				return wireFrame{}, fmt.Errorf("a message of %d bytes", n)
			}
			p.rest = make([]byte, n)
			if _, err := io.ReadFull(p.conn, p.rest); err != nil {
				return wireFrame{}, err
			}
			continue
		}
		if len(p.rest) < 16 {
			return wireFrame{}, fmt.Errorf("%d bytes behind the last frame", len(p.rest))
		}
		n := binary.BigEndian.Uint32(p.rest)
		if n < 16 || int(n) > len(p.rest) {
			return wireFrame{}, fmt.Errorf("a frame of %d bytes with %d left", n, len(p.rest))
		}
		f := wireFrame{p.rest[4], p.rest[5], binary.BigEndian.Uint64(p.rest[8:]), p.rest[16:n]}
		p.rest = p.rest[n:]
		if f.kind == wirePing {
			if err := p.write(wireFrame{kind: wirePong, body: append(bytes.Clone(f.body), f.body...)}.bytes()); err != nil {
				return wireFrame{}, err
			}
		}
		if bytes.IndexByte(kinds, f.kind) >= 0 {
			return f, nil
		}
	}
}

// next is read, which must not fail.
func (p *wirePeer) next(t *testing.T, kinds ...uint8) wireFrame {
	t.Helper()
	f, err := p.read(kinds...)
	if err != nil {
		t.Fatalf("waiting for a frame of kinds %v: %v", kinds, err)
	}
	return f
}

// wireGet is a request of a path and query, with so much time.
func wireGet(id uint64, budget time.Duration, path, query string) wireFrame {
	return wireCall(id, budget, &httpmsg.Request{Method: []byte("GET"), Path: []byte(path), Query: []byte(query)})
}

func wireCall(id uint64, budget time.Duration, r *httpmsg.Request) wireFrame {
	b := binary.BigEndian.AppendUint32(nil, uint32(budget.Microseconds()))
	return wireFrame{kind: wireRequest, id: id, body: r.AppendTo(b)}
}

// answers reads one response for each id, none twice, and then a pong, behind
// which no further one can come.
func (p *wirePeer) answers(t *testing.T, ids ...uint64) map[uint64]wireFrame {
	t.Helper()
	got := make(map[uint64]wireFrame)
	for len(got) < len(ids) {
		f := p.next(t, wireResponse)
		if f.id>>48 != own>>48 {
			continue
		}
		if _, twice := got[f.id]; twice || len(f.body) < 16 {
			t.Fatalf("response to %x: the second: %v, %d bytes", f.id, twice, len(f.body))
		}
		got[f.id] = f
	}
	for _, id := range ids {
		if _, ok := got[id]; !ok {
			t.Fatalf("no response to %x among %d", id, len(got))
		}
	}
	p.send(t, wireFrame{kind: wirePing, body: []byte("ABCDEFGH")})
	for {
		switch f := p.next(t, wireResponse, wirePong); {
		case f.kind == wireResponse && f.id>>48 == own>>48:
			t.Fatalf("a response too many, to %x", f.id)
		case f.kind == wirePong && len(f.body) >= 16 && string(f.body[:8]) == "ABCDEFGH":
			return got
		}
	}
}

const plenty = 20 * time.Second

// TestWire_Responder: each thing that a responder must do.
func TestWire_Responder(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		h := l.start(t, address)
		p := greetedWire(t, address)

		// Frames of one message, with what is unknown among them.
		const high = own + 0xba9876543210
		p.send(t, wireFrame{kind: wireUnknown, flags: 0xff, body: []byte("later")}, wireGet(high, plenty, "/a", ""),
			wireFrame{kind: wireCancel, id: 77}, wireFrame{kind: 7, body: []byte("\x05topicpayload")}, wireGet(own+2, plenty, "/b", "q"),
			wireFrame{kind: wirePong, body: make([]byte, 16)}, wireFrame{kind: 6, body: []byte{0, 0, 0, 9}})
		got := p.answers(t, high, own+2)
		for id, want := range map[uint64]string{high: "GET /a? from \n", own + 2: "GET /b?q from \n"} {
			var r httpmsg.Response
			if err := r.Decode(got[id].body[16:]); err != nil || r.Status != 200 || !bytes.HasPrefix(r.Body, []byte(want)) {
				t.Errorf("response to %x: %v, status %d, %q", id, err, r.Status, r.Body)
			}
			received := time.UnixMicro(int64(binary.BigEndian.Uint64(got[id].body)))
			if received.Unix() != 0 && time.Since(received).Abs() > time.Minute {
				t.Errorf("received at %v", received)
			}
		}

		malformed := wireGet(own+4, plenty, "/", "")
		malformed.body = malformed.body[:len(malformed.body)-1]
		fields := wireGet(own+5, plenty, "/", "")
		binary.BigEndian.PutUint16(fields.body[len(fields.body)-6:], 257)
		large := wireCall(own+6, plenty, &httpmsg.Request{Method: []byte("PUT"), Path: []byte("/"), Body: make([]byte, maxMessage-16-4-64)})
		for id, c := range map[uint64]struct {
			request wireFrame
			code    int
		}{
			own + 3: {wireGet(own+3, 0, "/", ""), codeExpired},
			own + 4: {malformed, codeMalformed},
			own + 5: {fields, codeMalformed},
			own + 6: {large, codeTooLarge},
			own + 7: {wireGet(own+7, plenty, "/fail", ""), codeInternal},
		} {
			p.send(t, c.request)
			if got := p.answers(t, id)[id]; got.code() != c.code {
				t.Errorf("request %x: code %d, want %d", id, got.code(), c.code)
			}
		}

		// A cancel behind its request, twice, and again when it is answered.
		cancel := wireFrame{kind: wireCancel, id: own + 8}
		p.send(t, wireGet(own+8, plenty, "/", ""), cancel, cancel)
		if code := p.answers(t, own+8)[own+8].code(); code != 0 && code != codeCancelled {
			t.Errorf("a cancelled request: code %d", code)
		}
		p.send(t, cancel)
		p.answers(t)

		// A caller that leaves.
		p.send(t, wireFrame{kind: wireDraining})
		if f := p.next(t, wireDraining); f.flags != 1 {
			t.Errorf("draining answered with flags %d, want ack", f.flags)
		}
		_ = p.conn.Close()

		// The handler leaves: what it has taken is answered first.
		p = greetedWire(t, address)
		query := "wait=500"
		p.send(t, wireGet(own+9, plenty, "/slow", query))
		h.signal(t, syscall.SIGTERM)
		seen := map[uint8]bool{}
		for range 2 {
			f := p.next(t, wireDraining, wireResponse)
			if f.kind == wireDraining {
				p.send(t, wireGet(own+10, plenty, "/on its way", ""), wireFrame{kind: wireDraining, flags: 1})
			}
			seen[f.kind] = true
		}
		if f := p.next(t, wireResponse); !seen[wireDraining] || !seen[wireResponse] || f.code() != 0 {
			t.Errorf("at the end: kinds %v, then code %d to %x", seen, f.code(), f.id)
		}
		if code := h.wait(t, testutil.Patience); code != 0 {
			t.Errorf("exit code %d:\n%s", code, h.out.tail())
		}
	})
}

// TestWire_OverWindow: a caller that ignores the window gets an answer to each
// request all the same.
func TestWire_OverWindow(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		l.start(t, address)
		p := greetedWire(t, address)
		var ids []uint64
		var requests []wireFrame
		for id := range uint64(3000) {
			ids = append(ids, own+id)
			requests = append(requests, wireGet(own+id, plenty, "/", "wait=20"))
		}
		p.send(t, requests...)
		refused := 0
		for id, f := range p.answers(t, ids...) {
			switch code := f.code(); {
			case code == codeOverWindow:
				refused++
			case code != 0:
				t.Fatalf("request %x: code %d", id, code)
			}
		}
		if refused == 0 && !l.stock {
			t.Error("none was refused")
		}
	})
}

// badMessages are what no peer may send.
func badMessages() map[string][]byte {
	hello := helloOf("x").bytes()
	frame := func(kind uint8, n int) []byte { return wireFrame{kind: kind, body: make([]byte, n)}.bytes() }
	version := helloOf("x")
	version.body[1] = 2
	name := helloOf("x")
	name.body[8] = 255
	behind := func(b []byte) []byte { return append(bytes.Clone(hello), b...) }
	return map[string][]byte{
		"garbage":               []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"cut header":            hello[:15],
		"cut frame":             hello[:len(hello)-1],
		"length 0":              make([]byte, 16),
		"length 15":             append([]byte{0, 0, 0, 15}, make([]byte, 12)...),
		"length beyond the end": append([]byte{0xff, 0xff, 0xff, 0xff, wireRequest}, make([]byte, 11)...),
		"another version":       version.bytes(),
		"hello cut in a name":   name.bytes(),
		"short hello":           frame(wireHello, 1),
		"short request":         behind(frame(wireRequest, 3)),
		"short ping":            behind(frame(wirePing, 7)),
	}
}

// TestWire_Garbage: what breaks the protocol ends its own connection and hurts
// nobody else.
func TestWire_Garbage(t *testing.T) {
	t.Parallel()
	eachLanguage(t, func(t *testing.T, l language) {
		address := "tcp://" + freeAddr(t)
		l.start(t, address)
		good := greetedWire(t, address)
		id := own
		works := func(after string) {
			t.Helper()
			id++
			good.send(t, wireGet(id, plenty, "/", ""))
			if code := good.answers(t, id)[id].code(); code != 0 {
				t.Fatalf("after %s: code %d", after, code)
			}
		}
		for name, message := range badMessages() {
			bad := dialWire(t, address)
			if err := bad.write(message); err != nil {
				t.Fatal(err)
			}
			if !l.stock {
				_ = bad.conn.SetDeadline(time.Now().Add(testutil.Patience))
				if _, err := bad.read(); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection was not closed", name)
				}
			}
			_ = bad.conn.Close()
			works(name)
		}
		// Below the frames: the size of a message, another protocol, nothing at all.
		for name, b := range map[string][]byte{
			"a huge message":   append(bytes.Clone(wireGreeting), 0, 0, 0, 0, 0, 0x10, 0, 1),
			"a huger message":  append(bytes.Clone(wireGreeting), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
			"another protocol": {0, 'S', 'P', 0, 0, 0x30, 0, 0},
			"HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(testutil.Patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the connection was not closed", name)
			}
			_ = conn.Close()
			works(name)
		}
		// Frames with some bytes changed, from a seed that a failure can be repeated with.
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		request := wireCall(1, plenty, &httpmsg.Request{
			Method: []byte("POST"), Host: []byte("h"), Path: []byte("/p"), Query: []byte("q"), Client: []byte("::1"),
			Header: httpmsg.Fields{{Name: []byte("a"), Value: []byte("b")}}, Body: []byte("body"),
		})
		seeds := [][]byte{request.bytes(), helloOf("x").bytes(), wireFrame{kind: wirePing, body: make([]byte, 8)}.bytes()}
		for range 100 {
			bad := dialWire(t, address)
			if err := bad.write(helloOf("x").bytes()); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				m := bytes.Clone(seeds[random.IntN(len(seeds))])
				for range 1 + random.IntN(4) {
					m[random.IntN(len(m))] = byte(random.Uint32())
				}
				if random.IntN(4) == 0 {
					m = m[:random.IntN(len(m))]
				}
				if bad.write(m) != nil {
					break // it has been closed for the one before
				}
			}
			_ = bad.conn.Close()
		}
		works("random frames")
	})
}
