package terminator

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

func large(service string) registry.Route {
	r := prefix("/", service)
	r.MaxBody = 64 << 20
	return r
}

// noise is n bytes that differ from place to place.
func noise(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), n) }

func digest(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d %x %v", n, h.Sum(nil), err)
}

// whole is the request's body, wherever it is.
func whole(req *httpmsg.Request, r *nanobus.Request) io.Reader {
	if rest := r.Body(); rest != nil {
		return io.MultiReader(bytes.NewReader(req.Body), rest)
	}
	return bytes.NewReader(req.Body)
}

func TestUpload_ReachesTheHandler(t *testing.T) { bothWays(t, testUploadReachesTheHandler) }

func testUploadReachesTheHandler(t *testing.T) {
	f := startFront(t, Options{}, large("work"))
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		respond(r, &httpmsg.Response{Body: fmt.Append(nil, digest(t, whole(req, r)), " ", req.Length)})
	})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for _, n := range []int64{1, 8192, 8193, httpmsg.MaxWhole, httpmsg.MaxWhole + 1, 20 << 20} {
		for _, chunked := range []bool{false, true} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.addr+"/", noise(n))
			if err != nil {
				t.Fatal(err)
			}
			length := int64(-1)
			if !chunked {
				req.ContentLength, length = n, n
			}
			if n <= httpmsg.MaxWhole {
				length = 0 // in one piece
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%d bytes, chunked %v: %v", n, chunked, err)
			}
			got, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if want := fmt.Sprint(digest(t, noise(n)), " ", length); resp.StatusCode != 200 || string(got) != want {
				t.Errorf("%d bytes, chunked %v: got %d %s, want %s", n, chunked, resp.StatusCode, got, want)
			}
			if resp.Close {
				t.Errorf("%d bytes, chunked %v: the connection was not kept", n, chunked)
			}
		}
	}
}

func TestDownload_ReachesTheClient(t *testing.T) { bothWays(t, testDownloadReachesTheClient) }

func testDownloadReachesTheClient(t *testing.T) {
	f := startFront(t, Options{}, large("work"))
	var writing atomic.Int64 // a stream is in flight on its link only until its head is there
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		writing.Add(1)
		defer writing.Add(-1)
		var n, length int64
		_, _ = fmt.Sscanf(string(req.Query), "n=%d&length=%d", &n, &length)
		w, err := r.ReplyBody(&httpmsg.Response{Body: []byte("begin"), Length: length})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.Copy(w, noise(n)); err != nil && !errors.Is(err, nanobus.ErrCancelled) {
			t.Error(err)
		}
		if strings.HasSuffix(string(req.Query), "broken") {
			w.Break(nanobus.CodeInternal, "")
			return
		}
		_ = w.Close()
	})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for _, n := range []int64{0, 1, 4096, 20 << 20} {
		want := digest(t, io.MultiReader(strings.NewReader("begin"), noise(n)))
		for _, length := range []int64{-1, n + 5} {
			resp, err := client.Get(fmt.Sprintf("http://%s/?n=%d&length=%d", f.addr, n, length))
			if err != nil {
				t.Fatal(err)
			}
			if got := digest(t, resp.Body); got != want || resp.ContentLength != length {
				t.Errorf("%d bytes: got %s with length %d, want %s with %d", n, got, resp.ContentLength, want, length)
			}
			_ = resp.Body.Close()
		}
	}
	// One that is broken off, has too little, or that nobody wants to the end.
	for _, q := range []string{"n=100&length=-1&broken", "n=100&length=200&short"} {
		resp, err := client.Get("http://" + f.addr + "/?" + q)
		if err != nil {
			continue // it was so little that not even the head was sent
		}
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: the client can't see that it isn't complete", q)
		}
		_ = resp.Body.Close()
	}
	if r := f.ask(t, "HEAD", "/?n=100&length=105", ""); r.StatusCode != 200 || r.ContentLength != 105 {
		t.Errorf("HEAD: got %d, length %d", r.StatusCode, r.ContentLength)
	}
	resp, err := client.Get("http://" + f.addr + "/?n=100000000&length=-1")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	eventually(t, "what nobody wants to be given up", func() bool { return writing.Load() == 0 })
}

func TestUpload_Refused(t *testing.T) { bothWays(t, testUploadRefused) }

func testUploadRefused(t *testing.T) {
	f := startFront(t, Options{}, large("work"))
	ended := make(chan error, 10)
	f.work(t, "w1", func(req *httpmsg.Request, r *nanobus.Request) {
		if string(req.Path) == "/early" {
			respond(r, &httpmsg.Response{Status: 403, Body: []byte("no")})
			return
		}
		_, err := io.Copy(io.Discard, whole(req, r))
		ended <- err
		respond(r, &httpmsg.Response{})
	})
	piece := strings.Repeat("x", 1<<20)

	// Larger than the route takes, which shows at the head,
	c := f.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 70000000\n\n" + piece)
	refused(t, c.read("POST"), 413)
	// or on the way.
	c = f.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n")
	go func(c *client) {
		for range 70 {
			if _, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(piece), piece); err != nil {
				return
			}
		}
	}(c)
	refused(t, c.read("POST"), 413)
	if err := <-ended; err == nil {
		t.Error("the handler takes a body that was cut off for a whole one")
	}

	// A handler that has seen enough.
	c = f.dial(t)
	c.send("POST /early HTTP/1.1\nHost: h\nContent-Length: 50000000\n\n" + piece)
	go func(c *client) {
		for range 49 {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
	}(c)
	if r := c.read("POST"); r.StatusCode != 403 || r.body != "no" || !r.Close {
		t.Errorf("early reply: got %d %q, close %v", r.StatusCode, r.body, r.Close)
	}

	// A client that goes, and one whose framing goes wrong.
	before := f.count(metrics.HTTPRequests)
	c = f.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 50000000\n\n" + piece)
	_ = c.Close()
	if err := <-ended; err == nil {
		t.Error("the handler takes half a body for a whole one")
	}
	c = f.dial(t)
	c.send(fmt.Sprintf("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n%x\n%s\nnonsense\n", len(piece), piece))
	if r := c.read("POST"); r.StatusCode != 400 {
		t.Errorf("broken chunks: got %d", r.StatusCode)
	}
	if err := <-ended; err == nil {
		t.Error("the handler takes broken chunks for a whole body")
	}
	eventually(t, "two requests, each counted once", func() bool { return f.count(metrics.HTTPRequests) == before+2 })

	// An instance that takes whole bodies only.
	f2 := startFront(t, Options{}, large("plain"))
	n := startPlainNode(t, "plain", "p1", 0, func(_ *httpmsg.Request, r *nanobus.Request) { respond(r, &httpmsg.Response{}) })
	f2.link(t, "plain", "p1", n.address)
	c = f2.dial(t)
	c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 1000000\n\n" + piece)
	refused(t, c.read("POST"), 413)
}
