package wire

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
	frame := func(k Kind, flags uint8, id uint64, body ...byte) []byte {
		b := append(Begin(nil, k, flags, id), body...)
		End(b, 0)
		return b
	}
	const id = 0x00a1_00000b_00000c
	hello := Hello{Version: 1, Window: 1024, Service: "profile", CodeVersion: "v7", Instance: "profile-1", Topics: []string{"profile.updated"}}
	caller := Hello{Version: 1, EventsOnly: true, Service: "web", Instance: "web-2"}
	// The two hellos behind the proofs; the secret is "correct horse battery staple".
	connecting := Hello{Version: 1, Service: "web", Instance: "web-2", Nonce: counting(0)}
	accepting := Hello{Version: 1, Window: 1024, Service: "profile", Instance: "profile-1", Nonce: counting(32)}
	holder := Hello{Version: 1, Bodies: true, Holds: true, Service: "terminator", Instance: "terminator-1"}
	named := Hello{Version: 1, Service: "web", Instance: "web-2", Process: counting(0)[:ProcessSize]}
	remembering := Hello{Version: 1, Window: 64, Service: "orders", Instance: "orders-1", Memory: "orders-db"}
	secret := []byte("correct horse battery staple")
	return map[string][]byte{
		"hello-nonce":        connecting.AppendTo(nil),
		"hello-nonce-answer": accepting.AppendTo(nil),
		"proof-connecting":   frame(KindProof, 0, 0, Proof(secret, RoleConnecting, &connecting, &accepting)...),
		"proof-accepting":    frame(KindProof, 0, 0, Proof(secret, RoleAccepting, &accepting, &connecting)...),

		"hello":             hello.AppendTo(nil),
		"hello-holds":       holder.AppendTo(nil),
		"hello-process":     named.AppendTo(nil),
		"hello-memory":      remembering.AppendTo(nil),
		"hello-events-only": caller.AppendTo(nil),
		"request":           frame(KindRequest, 0, id, append([]byte{0, 0x2d, 0xc6, 0xc0}, "ping"...)...),
		"response": frame(KindResponse, 0, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, // received, µs since 1970
			0, 0, 0, 12, // wait for a worker, µs
			0, 0, 0, 250, // work, µs
		}, "pong"...)...),
		"response-error": frame(KindResponse, FlagError, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
		}, (&RemoteError{CodeExpired, "too late"}).AppendTo(nil)...)...),
		"hold": frame(KindHold, 0, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, 0, 0, 0, 12, 0, 0, 0, 250,
			0, 0, 0x61, 0xa8, // timeout, ms
		}, "nothing"...)...),
		"response-held": frame(KindResponse, FlagHeld, id, append([]byte{
			0, 6, 0x0a, 0x24, 0x18, 0x3c, 0xc4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0,
		}, "pong"...)...),
		"request-more": frame(KindRequest, FlagMore, id+1, append([]byte{0, 0x2d, 0xc6, 0xc0}, "one "...)...),
		"data":         frame(KindData, 0, id+1, []byte("two ")...),
		"data-end":     frame(KindData, FlagEnd, id+1, []byte("three")...),
		"data-broken":  frame(KindData, FlagBroken|FlagResponse, id+1, (&RemoteError{CodeInternal, "disk full"}).AppendTo(nil)...),
		"credit-body":  frame(KindCredit, FlagResponse, id+1, 0, 1, 0, 0),
		"cancel":       frame(KindCancel, 0, id),
		"credit":       frame(KindCredit, 0, 0, 0, 0, 2, 0),
		"event":        frame(KindEvent, 0, 0, append(AppendString8(nil, "profile.updated"), `{"id":42}`...)...),
		"draining":     frame(KindDraining, 0, 0),
		"draining-ack": frame(KindDraining, FlagAck, 0),
		"ping":         frame(KindPing, 0, 0, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00),
		"pong":         frame(KindPong, 0, 0, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0x00, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x41, 0x00),
		"tap-start":    frame(KindTap, 0, 0, TapStart(10_000, 1<<KindRequest|1<<KindResponse, 4096)...),
		"tap-state":    frame(KindTap, 0, 0, TapOpState, 1, 0, 0, 0, 0, 0, 0, 0, 3),
		"tap-copy": frame(KindTap, 0, 0, slices.Concat(
			[]byte{TapOpCopy, 0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0, 0}, AppendString8(nil, "terminator-1"),
			frame(KindRequest, 0, id, append([]byte{0, 0x2d, 0xc6, 0xc0}, "ping"...)...)[:22],
		)...),
		"batch": append(frame(KindRequest, 0, id, 0, 0, 0x27, 0x10, 'a'), frame(KindRequest, 0, id+1, 0, 0, 0x27, 0x10, 'b')...),
	}
}

// counting is a nonce that can be written down: first, first+1, and so on.
func counting(first byte) []byte {
	n := make([]byte, NonceSize)
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
		f, more, err := Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.ID)
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
		if _, _, err := Next(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHello_RoundTripAndTruncation(t *testing.T) {
	want := &Hello{Version: 1, Window: 7, EventsOnly: true, Service: "s", CodeVersion: "v", Instance: "i", Topics: []string{"a", "b"}}
	withNonce := *want
	withNonce.Nonce = counting(7)
	if got, err := DecodeHello(withNonce.AppendTo(nil)[HeaderSize:]); err != nil || !cmp.Equal(&withNonce, got) {
		t.Errorf("with a nonce: got %+v, %v", got, err)
	}
	body := want.AppendTo(nil)[HeaderSize:]
	got, err := DecodeHello(body)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := DecodeHello(append(body, "more, from a later revision"...)); err != nil {
		t.Errorf("with bytes behind: %v", err)
	}
	for n := range body {
		if _, err := DecodeHello(body[:n]); !errors.Is(err, ErrMalformed) {
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
			fr, more, err := Next(rest)
			if err != nil {
				return
			}
			total += HeaderSize + len(fr.Body)
			rest = more
		}
		if total != len(b) {
			t.Fatalf("%d bytes in frames of a message of %d", total, len(b))
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(vectors()["hello"][HeaderSize:])
	f.Add(vectors()["hello-nonce"][HeaderSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHello(b)
		if err != nil {
			return
		}
		again := h.AppendTo(nil)[HeaderSize:]
		// Unknown flags and later fields aren't kept.
		if len(b) == len(again) && b[2] == 0 && b[3] <= 1 && !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
