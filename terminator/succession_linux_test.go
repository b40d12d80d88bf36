package terminator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
)

// way is an Heir that is in the same process.
type way struct {
	to     *front
	broken atomic.Bool
	none   bool // it isn't known what was taken
}

// Pass implements Heir, as the system does: what comes out are further descriptors.
func (w *way) Pass(fds []int, note []byte) (int, error) {
	if w.broken.Load() {
		return 0, errors.New("broken")
	}
	copies := make([]int, len(fds))
	for i, fd := range fds {
		var err error
		if copies[i], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return 0, err
		}
	}
	taken := w.to.Inherit(copies, note)
	for _, fd := range copies[taken:] {
		_ = unix.Close(fd)
	}
	if w.none {
		return -1, errors.New("no answer")
	}
	return taken, nil
}

func (*way) Close() error { return nil }

// successor starts a front that has f's listener, and the instances that it has.
func (f *front) successor(t *testing.T, opts Options) *front {
	t.Helper()
	file, err := f.Listener().File()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(file)
	_ = file.Close()
	if err != nil {
		t.Fatal(err)
	}
	opts.Listener = l.(*net.TCPListener)
	heir := startFront(t, opts)
	f.d.mu.Lock()
	instances := f.d.snapshot.Instances
	f.d.mu.Unlock()
	for i := range instances {
		heir.link(t, instances[i].Service, instances[i].ID, instances[i].Address)
	}
	return heir
}

// bequeaths has f end as one that was taken over from.
func (f *front) bequeaths(to Heir) {
	f.Bequeath(to)
	f.end(ErrSucceeded)
}

// Whatever a connection is about, it goes on with the successor: those that are idle at once, those
// that aren't when they are. No client is told to close.
func TestSuccession_Inherits(t *testing.T) {
	f := startFront(t, Options{})
	gate := make(chan struct{})
	n := f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		if strings.HasPrefix(string(req.Path), "/slow") {
			<-gate
		}
		body := "done"
		if string(req.Path) == "/slow/large" {
			body = strings.Repeat("x", 800_000)
		}
		respond(r, &httpmsg.Response{Body: []byte(body)})
	})
	opened := func() { // a gate that is only opened once
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
	t.Cleanup(opened)
	names := []string{"used", "fresh", "at work", "pipelined", "uploading", "large"}
	clients := make(map[string]*client)
	for _, name := range names {
		clients[name] = f.dial(t)
	}
	if r := clients["used"].ask("GET", "/", ""); r.StatusCode != 200 {
		t.Fatal(r.Status)
	}
	<-n.got
	clients["at work"].send("GET /slow HTTP/1.1\nHost: h\n\n")
	clients["pipelined"].send("GET /slow HTTP/1.1\nHost: h\n\nGET /next HTTP/1.1\nHost: h\n\n")
	clients["large"].send("GET /slow/large HTTP/1.1\nHost: h\n\n")
	for range 3 {
		<-n.got
	}
	clients["uploading"].send("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n")
	eventually(t, "all connections", func() bool { return f.table.Open() == int64(len(names)) })

	heir := f.successor(t, Options{})
	f.bequeaths(&way{to: heir})
	eventually(t, "those that are idle have passed", func() bool { return heir.table.Open() == 2 })
	for _, name := range []string{"used", "fresh"} {
		if r := clients[name].ask("GET", "/"+name, ""); r.StatusCode != 200 || r.Close {
			t.Errorf("%s: %d, close %v", name, r.StatusCode, r.Close)
		}
	}
	opened()
	clients["uploading"].send("0\n\n")
	for _, name := range names[2:] {
		for range map[string]int{"pipelined": 2}[name] {
			if r := clients[name].read("GET"); r.StatusCode != 200 || r.Close {
				t.Errorf("%s: %d, close %v", name, r.StatusCode, r.Close)
			}
		}
		if name != "pipelined" {
			if r := clients[name].read("GET"); r.StatusCode != 200 || r.Close {
				t.Errorf("%s: %d, close %v", name, r.StatusCode, r.Close)
			}
		}
	}
	if err := f.stop(); err != nil {
		t.Errorf("the predecessor's end: %v", err)
	}
	before := heir.count(metrics.HTTPRequests)
	for _, name := range names {
		if r := clients[name].ask("GET", "/after", ""); r.StatusCode != 200 || r.Close {
			t.Errorf("%s, after the predecessor's end: %d, close %v", name, r.StatusCode, r.Close)
		}
	}
	if got := heir.count(metrics.HTTPRequests) - before; got != uint64(len(names)) {
		t.Errorf("the successor has had %d of %d requests", got, len(names))
	}
	if out, in := f.count(metrics.HTTPBequeathed), heir.count(metrics.HTTPInherited); out != uint64(len(names)) || in != out {
		t.Errorf("%d connections passed out, %d came in, of %d", out, in, len(names))
	}
	if idle := f.count(metrics.HTTPClosed, "idle"); idle != 0 {
		t.Errorf("%d idle connections were closed", idle)
	}
}

// Where the successor takes no more, what is left ends as it does without one: a request that comes
// soon is answered, and its client told to close. An idle connection has been idle for as long with
// the successor as it was before.
func TestSuccession_ServesOnWhatIsNotTaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		opts   Options
		broken bool
		takes  int
	}{
		{"no room", Options{MaxConns: 2}, false, 2},
		{"broken", Options{}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFront(t, Options{})
			f.work(t, "w1", text("done"))
			var clients []*client
			for range 5 {
				clients = append(clients, f.dial(t))
			}
			eventually(t, "all connections", func() bool { return f.table.Open() == 5 })
			heir := f.successor(t, c.opts)
			w := &way{to: heir}
			w.broken.Store(c.broken)
			f.bequeaths(w)
			eventually(t, "a drain", f.table.Draining)
			closes := 0
			for i, client := range clients {
				r := client.ask("GET", "/", "")
				if r.StatusCode != 200 {
					t.Errorf("connection %d: %d", i, r.StatusCode)
				}
				if r.Close {
					closes++
					ended(t, client)
				}
			}
			if closes != len(clients)-c.takes {
				t.Errorf("%d clients of %d were told to close, want %d", closes, len(clients), len(clients)-c.takes)
			}
			if err := f.stop(); err != nil {
				t.Error(err)
			}
			if in := heir.count(metrics.HTTPInherited); in != uint64(c.takes) {
				t.Errorf("the successor has inherited %d, want %d", in, c.takes)
			}
			if !strings.Contains(f.logs.String(), "connections are closed that the successor doesn't take") {
				t.Error("nothing is said of it")
			}
		})
	}
}

// What was sent to a successor that doesn't answer may be in its hands: it isn't served here any
// more.
func TestSuccession_TwoNeverServeOne(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("done"))
	c := f.dial(t)
	eventually(t, "the connection", func() bool { return f.table.Open() == 1 })
	heir := f.successor(t, Options{})
	f.bequeaths(&way{to: heir, none: true})
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	if r := c.ask("GET", "/", ""); r.StatusCode != 200 || r.Close || f.count(metrics.HTTPRequests) != 0 {
		t.Errorf("%d, close %v, %d requests here", r.StatusCode, r.Close, f.count(metrics.HTTPRequests))
	}
}

// A note that isn't understood, or is too short, takes no connection.
func TestSuccession_Notes(t *testing.T) {
	f := startFront(t, Options{})
	for _, note := range [][]byte{nil, {1}, {1, 3, 0, 0, 0}, {2, 4, 0, 0, 0, 0}, {0, 4, 0, 0, 0, 0}, {1, 4, 0, 0, 0}} {
		if taken := f.Inherit([]int{-1}, note); taken != 0 {
			t.Errorf("%v: %d taken", note, taken)
		}
	}
	// A later build's says more of each. The descriptor isn't a connection any more: it is taken,
	// and closed.
	if taken := f.Inherit([]int{-1}, []byte{1, 6, 0, 0, 0, 0, 9, 9}); taken != 1 {
		t.Errorf("a longer record: %d taken", taken)
	}
}

// An idle connection has been idle for as long with the successor.
func TestSuccession_IdleTimeGoesOn(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("done"))
	c := f.dial(t)
	eventually(t, "the connection", func() bool { return f.table.Open() == 1 })
	heir := f.successor(t, Options{IdleTimeout: time.Hour})
	fd := -1
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(d uintptr) { fd, err = unix.FcntlInt(d, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	const idle = 3_600_000 // ms, which is all of it
	if taken := heir.Inherit([]int{fd}, []byte{1, 4, idle >> 24, idle >> 16 & 255, idle >> 8 & 255, idle & 255}); taken != 1 {
		t.Fatal("not taken")
	}
	eventually(t, "its end", func() bool { return heir.count(metrics.HTTPClosed, "idle") == 1 })
}

// Under load, one successor after the other inherits from the one before, and not one request
// fails.
func TestSuccession_UnderLoad(t *testing.T) {
	f := startFront(t, Options{})
	f.work(t, "w1", text("done"))
	var quit atomic.Bool
	var asked atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			r := newClient(t, c)
			for n := 0; !quit.Load(); n++ {
				request := fmt.Sprintf("GET /%d/%d HTTP/1.1\r\nHost: h\r\n\r\n", i, n)
				if i%8 == 0 { // in pieces, for the other driver
					request = fmt.Sprintf("POST /%d/%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", i, n)
				}
				if _, err := io.WriteString(c, request); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				resp, err := http.ReadResponse(r.r, nil)
				if err != nil {
					t.Errorf("client %d, request %d: %v", i, n, err)
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 || resp.Close {
					t.Errorf("client %d: %d, close %v, %v", i, resp.StatusCode, resp.Close, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	now := f
	for range 10 {
		target := asked.Load() + 200
		eventually(t, "requests", func() bool { return asked.Load() >= target || t.Failed() })
		heir := now.successor(t, Options{})
		now.bequeaths(&way{to: heir})
		if err := now.stop(); err != nil {
			t.Error(err)
		}
		now = heir
	}
	target := asked.Load() + 200
	eventually(t, "requests", func() bool { return asked.Load() >= target || t.Failed() })
	quit.Store(true)
	wg.Wait()
	t.Logf("%d requests", asked.Load())
}

// A successor accepts nothing before it is told to: it may not know its instances yet.
func TestSuccession_Waits(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		f := startFront(t, Options{Waits: true})
		f.work(t, "w1", text("done"))
		c := f.dial(t) // into the backlog
		c.send("GET / HTTP/1.1\nHost: h\n\n")
		f.bus.Links() // what it does meanwhile
		if n := f.count(metrics.HTTPAccepted); n != 0 {
			t.Errorf("%d connections were accepted", n)
		}
		f.Accept()
		if r := c.read("GET"); r.StatusCode != 200 {
			t.Errorf("%d", r.StatusCode)
		}
		// One that ends before has taken nothing.
		never := startFront(t, Options{Waits: true})
		d := never.dial(t)
		d.send("GET / HTTP/1.1\nHost: h\n\n")
		if err := never.stop(); err != nil || never.count(metrics.HTTPAccepted) != 0 {
			t.Errorf("%v, %d accepted", err, never.count(metrics.HTTPAccepted))
		}
	})
}
