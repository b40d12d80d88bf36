package nanobus

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.nanomsg.org/mangos/v3"

	"nanofront/nanobus/link"
)

// Each goroutine of the package is started where the bus, or the listener,
// waits for it: through a group, or counted in one of these functions.
func TestGoroutines_HaveAnOwner(t *testing.T) {
	got := map[string]int{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if _, ok := n.(*ast.GoStmt); ok {
					got[fn.Name.Name]++
				}
				return true
			})
		}
	}
	if want := map[string]int{"New": 2, "admitLink": 2}; !maps.Equal(got, want) {
		t.Errorf("goroutines are started in %v, want %v", got, want)
	}
}

// Close waits for what closes links, however often it is called.
func TestBus_CloseWaitsForWhatCloses(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var released atomic.Bool
	release := make(chan struct{})
	b.node.Tasks.Go(func() { <-release })
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(func() {
			_ = b.Close()
			if !released.Load() {
				t.Error("Close has not waited")
			}
		})
	}
	waitFor(t, "closed", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.closed
	})
	released.Store(true)
	close(release)
	closers.Wait()
}

// A bus that closes while a connection is on its way through mangos waits for
// it: mangos hangs for ever on one that its socket closes before it is added.
func TestBus_CloseWhileConnectionsComeIn(t *testing.T) {
	b, in := server(t, "1", Options{Serve: echo}, tcp)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	b.listeners[0].SetPipeEventHook(func(e mangos.PipeEvent, _ mangos.Pipe) {
		if e == mangos.PipeEventAttaching {
			close(arrived)
			<-goOn
		}
	})
	knock(t, in.Address)
	<-arrived
	closed := make(chan struct{})
	go func() {
		_ = b.Close()
		close(closed)
	}()
	select {
	case <-closed:
		t.Error("Close has not waited")
	case <-time.After(50 * time.Millisecond): // waiting, as it should
	}
	close(goOn)
	<-closed
	waitFor(t, "no goroutine of mangos left", func() bool {
		buf := make([]byte, 1<<20)
		return !bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("core.(*socket).addPipe"))
	})
}

// intruder is a log that asks its bus something for each line.
type intruder struct {
	t    *testing.T
	bus  atomic.Pointer[Bus]
	text journal
}

func (i *intruder) Write(p []byte) (int, error) {
	if b := i.bus.Load(); b != nil {
		answered := make(chan struct{})
		go func() {
			_ = b.Links()
			b.node.Limit.Allow("asked by a logger")
			close(answered)
		}()
		select {
		case <-answered:
		case <-time.After(10 * time.Second):
			i.t.Errorf("the bus is locked while it logs %s", p)
		}
	}
	return i.text.Write(p)
}

// hears waits until something was logged.
func (i *intruder) hears(text string) {
	i.t.Helper()
	waitFor(i.t, text, func() bool { return strings.Contains(i.text.String(), text) })
}

// What a logger does must not concern the bus: nothing is logged under its
// locks.
func TestBus_LogsOutsideItsLocks(t *testing.T) {
	log := &intruder{t: t}
	b, in := server(t, "1", Options{Serve: echo, Logger: zerolog.New(log)}, tcp)
	log.bus.Store(b)
	for range link.MaxPeerLinks + 2 { // the last two are too many
		_ = knock(t, in.Address).say(helloOf("stranger", "s-1"))
	}
	log.hears("the peer already has too many")

	full := &intruder{t: t}
	b, in = server(t, "1", Options{Serve: echo, MaxLinks: 1, Logger: zerolog.New(full)}, tcp)
	full.bus.Store(b)
	_ = knock(t, in.Address).say(helloOf("stranger", "s-1"))
	waitFor(t, "a link", func() bool { return len(b.snapshotLinks()) == 1 && onlyLink(t, b).Is(link.Live) })
	for range 2 {
		_ = knock(t, in.Address)
	}
	full.hears("refusing a connection")
	full.hears("similar lines were suppressed")

	clog := &intruder{t: t}
	c := newBus(t, Options{Service: "caller", Logger: zerolog.New(clog), Security: Security{Secret: bytes.Repeat([]byte("a"), MinSecret)}})
	clog.bus.Store(c)
	s, in := server(t, "2", Options{Serve: echo, Security: Security{Secret: bytes.Repeat([]byte("a"), MinSecret)}}, tcp)
	_, other := server(t, "3", Options{Serve: echo, Security: Security{Secret: bytes.Repeat([]byte("b"), MinSecret)}}, tcp)
	if err := c.SetInstances([]Instance{in, other}); err != nil {
		t.Fatal(err)
	}
	clog.hears("link up")
	clog.hears("the peer has ended the link instead of proving the shared secret")
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	clog.hears("peer is draining")
	_ = s.Close()
	clog.hears("link down")
}
