package nanobus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// vectors are frames as docs/protocol.md shows them; testdata has their bytes
// in hexadecimal, for implementations in other languages too.
func vectors() map[string][]byte {
	frame := func(k kind, flags uint8, id uint64, body ...byte) []byte {
		b := append(beginFrame(nil, k, flags, id), body...)
		endFrame(b, 0)
		return b
	}
	const id = 0x00a1_00000b_00000c
	hello := Hello{Version: 1, Window: 1024, Service: "profile", CodeVersion: "v7", Instance: "profile-1", Topics: []string{"profile.updated"}}
	caller := Hello{Version: 1, EventsOnly: true, Service: "web", Instance: "web-2"}
	// The two hellos behind the proofs; the secret is "correct horse battery staple".
	connecting := Hello{Version: 1, Service: "web", Instance: "web-2", Nonce: counting(0)}
	accepting := Hello{Version: 1, Window: 1024, Service: "profile", Instance: "profile-1", Nonce: counting(32)}
	named := Hello{Version: 1, Service: "web", Instance: "web-2", Process: counting(0)[:processSize]}
	secret := []byte("correct horse battery staple")
	return map[string][]byte{
		"hello-nonce":        connecting.appendTo(nil),
		"hello-nonce-answer": accepting.appendTo(nil),
		"proof-connecting":   frame(kindProof, 0, 0, proof(secret, roleConnecting, &connecting, &accepting)...),
		"proof-accepting":    frame(kindProof, 0, 0, proof(secret, roleAccepting, &accepting, &connecting)...),

		"hello":             hello.appendTo(nil),
		"hello-process":     named.appendTo(nil),
		"hello-events-only": caller.appendTo(nil),
		"request":           frame(kindRequest, 0, id, append([]byte{0, 0x2d, 0xc6, 0xc0}, "ping"...)...),
		"response": frame(kindResponse, 0, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, // received, µs since 1970
			0, 0, 0, 12, // wait for a worker, µs
			0, 0, 0, 250, // work, µs
		}, "pong"...)...),
		"response-error": frame(kindResponse, flagError, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
		}, (&errorPayload{code: CodeExpired, text: "too late"}).AppendTo(nil)...)...),
		"request-more": frame(kindRequest, flagMore, id+1, append([]byte{0, 0x2d, 0xc6, 0xc0}, "one "...)...),
		"data":         frame(kindData, 0, id+1, []byte("two ")...),
		"data-end":     frame(kindData, flagEnd, id+1, []byte("three")...),
		"data-broken":  frame(kindData, flagBroken|flagResponse, id+1, (&errorPayload{code: CodeInternal, text: "disk full"}).AppendTo(nil)...),
		"credit-body":  frame(kindCredit, flagResponse, id+1, 0, 1, 0, 0),
		"cancel":       frame(kindCancel, 0, id),
		"credit":       frame(kindCredit, 0, 0, 0, 0, 2, 0),
		"event":        frame(kindEvent, 0, 0, append(appendString8(nil, "profile.updated"), `{"id":42}`...)...),
		"draining":     frame(kindDraining, 0, 0),
		"draining-ack": frame(kindDraining, flagAck, 0),
		"ping":         frame(kindPing, 0, 0, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00),
		"pong":         frame(kindPong, 0, 0, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x41, 0x00),
		"tap-start":    frame(kindTap, 0, 0, tapStart(10_000, 1<<kindRequest|1<<kindResponse, 4096)...),
		"tap-state":    frame(kindTap, 0, 0, tapOpState, byte(TapOn), 0, 0, 0, 0, 0, 0, 0, 3),
		"tap-copy": frame(kindTap, 0, 0, slices.Concat(
			[]byte{tapOpCopy, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0, byte(TapReceived)}, appendString8(nil, "terminator-1"),
			frame(kindRequest, 0, id, append([]byte{0, 0x2d, 0xc6, 0xc0}, "ping"...)...)[:22],
		)...),
		"batch": append(frame(kindRequest, 0, id, 0, 0, 0x27, 0x10, 'a'), frame(kindRequest, 0, id+1, 0, 0, 0x27, 0x10, 'b')...),
	}
}

// counting is a nonce that can be written down: first, first+1, and so on.
func counting(first byte) []byte {
	n := make([]byte, nonceSize)
	for i := range n {
		n[i] = first + byte(i)
	}
	return n
}

func TestFrames_GoldenVectors(t *testing.T) {
	seen := 0
	for name, b := range vectors() {
		file := filepath.Join("testdata", name+".hex")
		if *update {
			if err := os.WriteFile(file, []byte(hex.EncodeToString(b)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d := cmp.Diff(want, b); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		seen++
	}
	files, _ := filepath.Glob("testdata/*.hex")
	if len(files) != seen {
		t.Errorf("%d files in testdata, %d vectors", len(files), seen)
	}
}

func TestNextFrame_WalksABatch(t *testing.T) {
	msg := vectors()["batch"]
	var ids []uint64
	for rest := msg; len(rest) > 0; {
		f, more, err := nextFrame(rest)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.id)
		rest = more
	}
	if want := []uint64{0x00a1_00000b_00000c, 0x00a1_00000b_00000d}; !slices.Equal(ids, want) {
		t.Errorf("got ids %x, want %x", ids, want)
	}
}

func TestNextFrame_RefusesWhatIsNone(t *testing.T) {
	good := vectors()["request"]
	for name, b := range map[string][]byte{
		"one byte":         {0},
		"half a header":    good[:8],
		"cut body":         good[:len(good)-1],
		"length too small": append([]byte{0, 0, 0, 15}, good[4:]...),
		"length zero":      append([]byte{0, 0, 0, 0}, good[4:]...),
		"length huge":      append([]byte{0xff, 0xff, 0xff, 0xff}, good[4:]...),
	} {
		if _, _, err := nextFrame(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHello_RoundTripAndTruncation(t *testing.T) {
	want := &Hello{Version: 1, Window: 7, EventsOnly: true, Service: "s", CodeVersion: "v", Instance: "i", Topics: []string{"a", "b"}}
	withNonce := *want
	withNonce.Nonce = counting(7)
	if got, err := decodeHello(withNonce.appendTo(nil)[headerSize:]); err != nil || !cmp.Equal(&withNonce, got) {
		t.Errorf("with a nonce: got %+v, %v", got, err)
	}
	body := want.appendTo(nil)[headerSize:]
	got, err := decodeHello(body)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := decodeHello(append(body, "more, from a later revision"...)); err != nil {
		t.Errorf("with bytes behind: %v", err)
	}
	for n := range body {
		if _, err := decodeHello(body[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: got %v", n, err)
		}
	}
}

func FuzzNextFrame(f *testing.F) {
	for _, b := range vectors() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for rest := b; len(rest) > 0; {
			fr, more, err := nextFrame(rest)
			if err != nil {
				return
			}
			total += headerSize + len(fr.body)
			rest = more
		}
		if total != len(b) {
			t.Fatalf("%d bytes in frames of a message of %d", total, len(b))
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(vectors()["hello"][headerSize:])
	f.Add(vectors()["hello-nonce"][headerSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err != nil {
			return
		}
		again := h.appendTo(nil)[headerSize:]
		// Unknown flags and later fields aren't kept.
		if len(b) == len(again) && b[2] == 0 && b[3] <= 1 && !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
