package nanobus_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/freeport"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
)

// Programs on the stock BUS sockets of other libraries, in both directions and
// over both transports. What they answer goes to everybody they are connected
// with.

func nngPeer(t *testing.T) string {
	t.Helper()
	return testutil.BuildC(t, "../examples/nng", "peer", "nng/nng.h", "libnng-dev", testutil.Sanitizers(t)...)
}

func libnanomsgHandler(t *testing.T) string {
	t.Helper()
	return testutil.BuildC(t, "../examples/c", "handler", "nanomsg/bus.h", "libnanomsg-dev")
}

// addresses are free ones, one of each transport.
func addresses(t *testing.T) []string {
	t.Helper()
	tcp, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nf") // t.TempDir's names are too long for a socket's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return []string{"tcp://" + tcp, "ipc://" + filepath.Join(dir, "bus.sock")}
}

// serving starts a program that answers for service s, until the test ends.
func serving(t *testing.T, program string, args ...string) {
	t.Helper()
	var out output
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(testutil.Patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(program), err, out.text())
		}
	})
	testutil.Eventually(t, filepath.Base(program)+" is serving", func() bool { return strings.Contains(out.text(), "serving") })
}

// output is what a program has printed up to now.
type output struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p...)
	return len(p), nil
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

func newBus(t *testing.T, opts nanobus.Options) *nanobus.Bus {
	t.Helper()
	b, err := nanobus.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// payload is a request's bytes.
type payload []byte

// AppendTo implements nanobus.Payload.
func (p payload) AppendTo(dst []byte) []byte { return append(dst, p...) }

// callAll sends requests from two processes' buses at once, 2,000 each with at
// most 64 under way, and checks every answer. Not one may be lost.
func callAll(t *testing.T, address string, request func(i int) (payload, func(answer []byte) error)) {
	t.Helper()
	var wg sync.WaitGroup
	for n := range 2 {
		b := newBus(t, nanobus.Options{Service: "caller", Instance: fmt.Sprintf("caller-%d", n)})
		if err := b.SetInstances([]nanobus.Instance{{Service: "s", ID: "only", Address: address}}); err != nil {
			t.Fatal(err)
		}
		s := b.Service("s")
		testutil.Eventually(t, address+" is linked", func() bool { return s.Live() == 1 })
		for worker := range 64 {
			wg.Go(func() {
				for i := worker; i < 2000; i += 64 {
					p, check := request(n*2000 + i)
					c := nanobus.NewCall()
					err := s.Go(c, p, testutil.Patience)
					if err == nil {
						c.Wait()
						err = c.Err
					}
					if err == nil {
						err = check(c.Payload)
					}
					c.Release()
					if err != nil {
						t.Errorf("%s, request %d: %v", address, i, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// text is a request that is answered with its own bytes: of all sizes, some
// larger than a socket's buffer.
func text(i int) (payload, func([]byte) error) {
	p := payload(strings.Repeat(fmt.Sprintf("%d ", i), 1+i%100*i%97))
	return p, func(answer []byte) error {
		if string(answer) != string(p) {
			return fmt.Errorf("%d bytes were answered with %d: %.60q", len(p), len(answer), answer)
		}
		return nil
	}
}

func TestPeers_NNGServes(t *testing.T) {
	program := nngPeer(t)
	for _, address := range addresses(t) {
		serving(t, program, "serve", address, "s", "only")
		callAll(t, address, text)
	}
}

func TestPeers_LibnanomsgServes(t *testing.T) {
	program := libnanomsgHandler(t)
	for _, address := range addresses(t) {
		serving(t, program, address, "s", "only")
		callAll(t, address, func(i int) (payload, func([]byte) error) {
			body, check := text(i)
			r := httpmsg.Request{Method: []byte("PUT"), Path: []byte("/"), Body: body}
			return r.AppendTo(nil), func(answer []byte) error {
				var resp httpmsg.Response
				if err := resp.Decode(answer); err != nil {
					return err
				}
				_, after, _ := strings.Cut(string(resp.Body), "\n\n")
				return check([]byte(after))
			}
		})
	}
}

func TestPeers_NNGCalls(t *testing.T) {
	program := nngPeer(t)
	for _, address := range addresses(t) {
		b := newBus(t, nanobus.Options{Service: "s", Instance: "only", Window: 64, Serve: func(batch []*nanobus.Request) {
			for _, r := range batch {
				go func() { _ = r.Reply(payload(r.Payload())) }() // the peer says what is missing
			}
		}})
		if _, err := b.Listen(address); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program, "call", address, "2000", "What is the answer?")
		out, err := cmd.CombinedOutput()
		if want := "2000 sent, 2000 answered, 0 wrong\n"; err != nil || string(out) != want {
			t.Errorf("%s: %v, %q, want %q", address, err, out, want)
		}
	}
}
