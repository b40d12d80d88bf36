package nanobus

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/nanobus/wire"
)

var secretA, secretB = Security{Secret: []byte("correct horse battery staple")}, Security{Secret: []byte("another one of enough length")}

// secured links a caller with a server, each with its own idea of the secret.
func secured(t *testing.T, atServer, atCaller Security) (s, c *Bus, sLog, cLog *journal) {
	t.Helper()
	sLog, cLog = new(journal), new(journal)
	s, in := server(t, "1", Options{Serve: echo, Security: atServer, Logger: sLog.logger(), Subscriptions: map[string]func(Event){"t": func(Event) {}}}, tcp)
	c = newBus(t, Options{Service: "caller", Instance: "c", Security: atCaller, Logger: cLog.logger()})
	if err := c.SetInstances([]Instance{in}); err != nil {
		t.Fatal(err)
	}
	return s, c, sLog, cLog
}

func TestAuth_SharedSecret(t *testing.T) {
	s, c, sLog, cLog := secured(t, secretA, secretA)
	waitFor(t, "linked", func() bool { return c.Service("s").Live() == 1 })
	if got, err := call(t, c, "hi", patience); err != nil || got != "hi" {
		t.Errorf("got %q, %v", got, err)
	}
	if n, err := c.Publish("t", []byte("x")); n != 1 || err != nil {
		t.Errorf("published to %d, %v", n, err)
	}
	waitFor(t, "the event", func() bool { return s.node.Metrics.EventsIn.Value() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Errorf("draining: %v", err)
	}
	waitFor(t, "no live instance", func() bool { return c.Service("s").Live() == 0 })
	for _, log := range []string{sLog.String(), cLog.String()} {
		if strings.Contains(log, "battery") || strings.Contains(log, `"level":"warn"`) {
			t.Errorf("log: %s", log)
		}
	}
}

// A link that comes up while the process is draining is told so after the
// proofs: what came before them would be dropped.
func TestAuth_DrainingIsToldAfterTheProof(t *testing.T) {
	s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	c := newBus(t, Options{Service: "caller", Instance: "c", Security: secretA})
	if err := c.SetInstances([]Instance{in}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "known to be draining", func() bool {
		ls := c.Links()
		return len(ls) == 1 && ls[0].State == "draining"
	})
}

func TestAuth_WhoCantProveIsRefused(t *testing.T) {
	none := Security{}
	for name, c := range map[string]struct {
		server, caller Security
		sLog, cLog     string
	}{
		"another secret":       {secretA, secretB, "the peer's proof is wrong: most likely its --bus-secret-file has different content", "ended the link instead of proving the shared secret"},
		"caller without one":   {secretA, none, "the peer has no shared secret: start it with this process's --bus-secret-file", "this process has none: start it with the peer's --bus-secret-file"},
		"server without one":   {none, secretA, "this process has none: start it with the peer's --bus-secret-file", "the peer has no shared secret"},
		"swapped, and longer ": {secretB, Security{Secret: append([]byte(nil), append(secretB.Secret, 'x')...)}, "proof is wrong", "instead of proving"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, sLog, cLog := secured(t, c.server, c.caller)
			// Who closes first leaves the other nothing to say, so not each
			// attempt is logged by both.
			waitFor(t, "both have said why", func() bool {
				return strings.Contains(sLog.String(), c.sLog) && strings.Contains(cLog.String(), c.cLog)
			})
			if n := closedFor(s, "auth") + closedFor(b, "auth"); n == 0 {
				t.Error("not counted")
			}
			if n := b.Service("s").Live(); n != 0 {
				t.Errorf("%d live", n)
			}
			if _, err := call(t, b, "x", patience); !errors.Is(err, ErrNoInstance) {
				t.Errorf("a call: %v", err)
			}
		})
	}
}

// introduce says hello with a nonce and returns the other side's.
func introduce(t *testing.T, s *stranger, mine *wire.Hello) *wire.Hello {
	t.Helper()
	if err := s.say(mine.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	f, err := s.hear(wire.KindHello)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := wire.DecodeHello(f.Body)
	if err != nil || theirs.Nonce == nil {
		t.Fatalf("their hello: %+v, %v", theirs, err)
	}
	return theirs
}

func TestAuth_NothingIsDoneBeforeTheProof(t *testing.T) {
	var h held
	s, in := server(t, "1", Options{Serve: h.serve, Security: secretA, Window: 100}, tcp)
	c := newBus(t, Options{Service: "caller", Instance: "c", Security: secretA})
	linkUp(t, c, in)
	p := knock(t, in.Address)
	mine := &wire.Hello{Version: 1, Service: "stranger", Instance: "s-1", Topics: []string{"t"}, Nonce: counting(0)}
	theirs := introduce(t, p, mine)
	_ = p.say(requestOf(1, "x"), frameOf(wire.KindPing, 0, 0, make([]byte, 8)...), frameOf(wire.KindDraining, 0, 0))
	waitFor(t, "dropped", func() bool { return s.node.Metrics.DroppedStray.Value() == 3 })
	if n, _ := s.Publish("t", nil); n != 0 || h.count() != 0 {
		t.Errorf("%d events sent, %d requests taken", n, h.count())
	}
	if w := c.Links()[0].Window; w != 100 {
		t.Errorf("the other's window is %d, want 100", w)
	}
	// With the proof all is as without a secret.
	_ = p.say(frameOf(wire.KindProof, 0, 0, wire.Proof(secretA.Secret, wire.RoleConnecting, mine, theirs)...), requestOf(2, "y"))
	f, err := p.hear(wire.KindProof)
	if err != nil || string(f.Body) != string(wire.Proof(secretA.Secret, wire.RoleAccepting, theirs, mine)) {
		t.Errorf("their proof: %x, %v", f.Body, err)
	}
	waitFor(t, "the request", func() bool { return h.count() == 1 })
	if n, _ := s.Publish("t", nil); n != 1 {
		t.Errorf("%d events sent", n)
	}
	waitFor(t, "the window shared", func() bool { return c.Links()[0].Window == 50 })
	h.answer()
}

func TestAuth_NobodyIsShownAProofWhoHasNotGivenOne(t *testing.T) {
	t.Parallel()
	s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
	p := knock(t, in.Address)
	introduce(t, p, &wire.Hello{Version: 1, Service: "stranger", Nonce: counting(0)})
	if f, err := p.hear(wire.KindProof); err == nil {
		t.Errorf("got one: %x", f.Body)
	}
	waitFor(t, "counted", func() bool { return closedFor(s, "no_proof") == 1 })
}

// What proves something on one link, or of one side, proves nothing elsewhere.
func TestAuth_ProofsAreGoodOnce(t *testing.T) {
	mine := func() *wire.Hello { return &wire.Hello{Version: 1, Service: "s", Instance: "s-1", Nonce: counting(0)} }
	t.Run("own nonce sent back", func(t *testing.T) {
		var log journal
		s, in := server(t, "1", Options{Serve: echo, Security: secretA, Logger: log.logger()}, tcp)
		p := knock(t, in.Address)
		f, err := p.hear(wire.KindHello)
		if err != nil {
			t.Fatal(err)
		}
		theirs, _ := wire.DecodeHello(f.Body)
		_ = p.say((&wire.Hello{Version: 1, Service: "s", Nonce: theirs.Nonce}).AppendTo(nil))
		p.closed()
		waitFor(t, "counted", func() bool { return closedFor(s, "auth") == 1 })
		waitFor(t, "said", func() bool { return strings.Contains(log.String(), "sends back our own nonce") })
	})
	t.Run("proof sent back", func(t *testing.T) {
		l := openHouse(t)
		b := newBus(t, Options{Service: "s", Instance: "s-1", Security: secretA})
		if err := b.SetInstances([]Instance{{Service: "s", ID: "s-1", Address: "tcp://" + l.Addr().String()}}); err != nil {
			t.Fatal(err)
		}
		p := visitor(t, l)
		introduce(t, p, mine()) // of the same identity as the bus itself
		f, err := p.hear(wire.KindProof)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.say(frameOf(wire.KindProof, 0, 0, f.Body...))
		waitFor(t, "refused", func() bool { return closedFor(b, "auth") == 1 })
	})
	t.Run("replayed", func(t *testing.T) {
		s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
		p := knock(t, in.Address)
		theirs := introduce(t, p, mine())
		good := frameOf(wire.KindProof, 0, 0, wire.Proof(secretA.Secret, wire.RoleConnecting, mine(), theirs)...)
		_ = p.say(good)
		if _, err := p.hear(wire.KindProof); err != nil {
			t.Fatal(err)
		}
		again := knock(t, in.Address)
		introduce(t, again, mine())
		_ = again.say(good)
		again.closed()
		waitFor(t, "refused", func() bool { return closedFor(s, "auth") == 1 })
	})
	t.Run("for another identity", func(t *testing.T) {
		s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
		p := knock(t, in.Address)
		theirs := introduce(t, p, mine())
		other := mine()
		other.Instance = "s-2"
		_ = p.say(frameOf(wire.KindProof, 0, 0, wire.Proof(secretA.Secret, wire.RoleConnecting, other, theirs)...))
		p.closed()
		waitFor(t, "refused", func() bool { return closedFor(s, "auth") == 1 })
	})
	t.Run("identity changed later", func(t *testing.T) {
		s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
		p := knock(t, in.Address)
		theirs := introduce(t, p, mine())
		_ = p.say(frameOf(wire.KindProof, 0, 0, wire.Proof(secretA.Secret, wire.RoleConnecting, mine(), theirs)...))
		same, other := mine(), mine()
		same.Window, other.Instance = 7, "s-2"
		_ = p.say(same.AppendTo(nil))
		_ = p.say(other.AppendTo(nil))
		p.closed()
		waitFor(t, "refused", func() bool { return closedFor(s, "auth") == 1 })
	})
	t.Run("too short", func(t *testing.T) {
		s, in := server(t, "1", Options{Serve: echo, Security: secretA}, tcp)
		p := knock(t, in.Address)
		introduce(t, p, mine())
		_ = p.say(frameOf(wire.KindProof, 0, 0, make([]byte, wire.ProofSize-1)...))
		p.closed()
		waitFor(t, "refused", func() bool { return closedFor(s, "malformed") == 1 })
	})
}

func TestProof_DependsOnAllOfIt(t *testing.T) {
	a := wire.Hello{Service: "a", Instance: "a-1", Nonce: counting(0)}
	b := wire.Hello{Service: "b", Instance: "b-1", Nonce: counting(32)}
	seen := map[string]string{}
	note := func(what string, p []byte) {
		if before := seen[string(p)]; before != "" {
			t.Errorf("%s proves the same as %s", what, before)
		}
		seen[string(p)] = what
	}
	note("itself", wire.Proof(secretA.Secret, wire.RoleConnecting, &a, &b))
	note("another secret", wire.Proof(secretB.Secret, wire.RoleConnecting, &a, &b))
	note("the other role", wire.Proof(secretA.Secret, wire.RoleAccepting, &a, &b))
	note("the other side", wire.Proof(secretA.Secret, wire.RoleConnecting, &b, &a))
	for what, change := range map[string]func(h *wire.Hello){
		"service": func(h *wire.Hello) { h.Service = "c" }, "instance": func(h *wire.Hello) { h.Instance = "c" },
		"nonce":  func(h *wire.Hello) { h.Nonce = counting(64) },
		"border": func(h *wire.Hello) { h.Service, h.Instance = h.Service+h.Instance[:1], h.Instance[1:] },
	} {
		x, y := a, b
		change(&x)
		change(&y)
		note("the prover's "+what, wire.Proof(secretA.Secret, wire.RoleConnecting, &x, &b))
		note("the verifier's "+what, wire.Proof(secretA.Secret, wire.RoleConnecting, &a, &y))
	}
}

func TestSecurity_SecretLength(t *testing.T) {
	for n, ok := range map[int]bool{0: true, 1: false, 15: false, 16: true, 4096: true, 4097: false} {
		b, err := New(Options{Security: Security{Secret: make([]byte, n)}})
		if err == nil {
			_ = b.Close()
		}
		if ok != (err == nil) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// The document's Python makes the same proofs from the same hellos.
func TestProof_PythonOfTheDocument(t *testing.T) {
	python := testutil.Command(t, "python3", "python3")
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(doc), "    def string8(b):")
	code, _, end := strings.Cut(code, "\n    connecting side")
	if !ok || !end {
		t.Fatal("docs/protocol.md has no Python for proofs")
	}
	script := "import hmac, struct, types\n" + strings.ReplaceAll("\n    def string8(b):"+code, "\n    ", "\n") + `
a = types.SimpleNamespace(nonce=bytes(range(32)), service=b"web", instance=b"web-2")
b = types.SimpleNamespace(nonce=bytes(range(32, 64)), service=b"profile", instance=b"profile-1")
key = b"correct horse battery staple"
print(proof(key, 1, a, b).hex())
print(proof(key, 2, b, a).hex())
`
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := hex.EncodeToString(vector("proof-connecting")[wire.HeaderSize:]) + "\n" + hex.EncodeToString(vector("proof-accepting")[wire.HeaderSize:]) + "\n"
	if got := string(out); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
