package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/internal/testutil/browser"
)

// relay passes connections on, until it is cut: then they stay open, and nothing arrives, as behind
// a firewall that drops.
type relay struct {
	addr string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: ln.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, in)
			cut := r.cut
			r.mu.Unlock()
			if cut {
				continue
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, out)
			r.mu.Unlock()
			all.Go(func() { r.pass(out, in) })
			all.Go(func() { r.pass(in, out) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		all.Wait()
	})
	return r
}

func (r *relay) pass(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		r.mu.Lock()
		cut := r.cut
		r.mu.Unlock()
		if !cut && n > 0 {
			_, werr := to.Write(b[:n])
			if werr != nil {
				err = werr
			}
		}
		if err != nil {
			if !cut {
				_ = to.Close()
			}
			return
		}
	}
}

// sever cuts it, or lets what is new pass again.
func (r *relay) sever(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if !cut {
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.conns = nil
	}
}

// TestDash_CutOff: a page that doesn't hear half of the processes says so, and shows nothing of them
// as current, while users are served.
func TestDash_CutOff(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 4})
	var table strings.Builder
	table.WriteString("version: 1\ninstances:\n")
	var relays []*relay
	for i, h := range f.echo {
		r := startRelay(t, h.admin)
		relays = append(relays, r)
		fmt.Fprintf(&table, "  - {service: echo, id: echo-%d, address: %q, admin: %q}\n", i+1, h.bus, r.addr)
	}
	path := t.TempDir() + "/seen.yaml" // the same processes, as the page reaches them
	writeFile(t, path, table.String()+"routes:\n"+echoRoutes)
	terminator, dash := startRelay(t, f.admin), freeAddr(t)
	start(t, "nanofront", "dash", "--static", path, "--terminators", terminator.addr, "--listen", dash, "--statsd", "", "--admin", "")
	t.Cleanup(keepAsking(f.http, "/hello", 4, 5*time.Millisecond))
	testutil.Eventually(t, "the page is there", func() bool { return lookAt(t, dash).Heard == 5 })
	p := browser.Start(t).Open("http://" + dash + "/")
	t.Cleanup(func() {
		if t.Failed() {
			v := lookAt(t, dash)
			t.Logf("at last, %s: %s; %+v", v.Level, v.Sentence, v.Problems)
		}
	})
	says := func(what, sentence string) {
		t.Helper()
		testutil.Eventually(t, what+": the page says "+sentence, func() bool { return strings.Contains(p.Eval(sentenceOf), sentence) })
		t.Logf("%s: %s", what, p.Eval(sentenceOf))
	}
	row := func(key string) string {
		return p.Eval(fmt.Sprintf(`(r => r ? r.className + " " + [...r.cells].map(c => c.textContent).join("|") : "")(document.querySelector("#processes tr[data-key='%s']"))`, key))
	}
	says("at first", "all normal: ")
	for _, l := range looks {
		p.Size(l.width, l.height, l.theme)
	}

	for _, r := range relays[:3] {
		r.sever(true)
	}
	says("without three of five", "heard 2 of 5 processes")
	says("without three of five", "what is heard is normal: ")
	p.Shot("cut-half")
	for i := 1; i <= 3; i++ {
		key := fmt.Sprintf("echo/echo-%d", i)
		if got := row(key); !strings.HasPrefix(got, "unknown ? "+key+"|silent|–|–|–|–|–|") {
			t.Errorf("what is shown of %s: %s", key, got)
		}
	}
	if got := row("echo/echo-4"); !strings.Contains(got, "|serving|") || strings.Contains(got, "–|–|–") {
		t.Errorf("what is shown of one that is heard: %s", got)
	}
	if level, heard := p.Eval(`document.querySelector("#strip").dataset.level`), p.Eval(`document.querySelector("#heard").className`); level != "unknown" || heard != "bad" {
		t.Errorf("the strip is %s, what was heard is %q", level, heard)
	}
	if rate := p.Eval(`document.querySelector("[data-n=rate]").textContent`); rate == "–" || rate == "0" {
		t.Errorf("the front, which is heard, has %s requests/s", rate)
	}

	terminator.sever(true)
	says("without the front", "whether users are hurt isn't known")
	p.Shot("cut-front")
	for _, n := range []string{"rate", "err", "p99", "fly"} {
		shown := fmt.Sprintf(`document.querySelector("[data-n=%s]").textContent`, n)
		testutil.Eventually(t, n+" isn't shown any more", func() bool { return p.Eval(shown) == "–" })
	}

	for _, r := range append(relays[:3:3], terminator) {
		r.sever(false)
	}
	says("with all again", "all normal: ")
}
