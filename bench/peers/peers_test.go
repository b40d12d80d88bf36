package peers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
)

// TestMain plays bench's hidden subcommands: the peers are started from the program that is named,
// and that is this one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "peer" {
		if err := playPeer(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func playPeer() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	flag := func(name string) string {
		for i, a := range os.Args[:len(os.Args)-1] {
			if a == name {
				return os.Args[i+1]
			}
		}
		return ""
	}
	switch os.Args[2] {
	case "gateway":
		return Gateway(ctx, flag("--http"), flag("--nats"))
	case "responder":
		return Responder(ctx, flag("--nats"))
	}
	workers, _ := strconv.Atoi(flag("--workers")) // 0 where it isn't given
	return Plain(ctx, flag("--http"), workers)
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// All that are installed give the same answers, and are gone when they are stopped.
func TestPeer_AnswersAlike(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Key, func(t *testing.T) {
			if err := p.Available(); err != nil {
				testutil.Missing(t, "%v", err)
			}
			s, err := p.Start(t.Context(), os.Args[0], t.TempDir(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			resp, body := get(t, s.URL+"/hello")
			if resp.StatusCode != 200 || len(body) != HelloBytes || resp.Header.Get("Content-Type") != typeText || resp.ContentLength != HelloBytes {
				t.Errorf("/hello: %s, %d bytes, %v", resp.Status, len(body), resp.Header)
			}
			if _, body := get(t, s.URL+"/echo/bytes?n=262144"); len(body) != 262144 {
				t.Errorf("/echo/bytes?n=262144: %d bytes", len(body))
			}
			if _, body := get(t, s.URL+"/echo/sleep?ms=2"); p.Key != "nats" && body != "slept 2 ms\n" {
				t.Errorf("/echo/sleep?ms=2: %q", body)
			}
			if sample := s.Sample(t.Context()); sample == nil {
				t.Error("there is no sample")
			}
			s.Stop()
			for _, process := range s.Processes() {
				if !process.Ended() {
					t.Errorf("%s is still there", process.Name)
				}
			}
		})
	}
}

func TestPeer_MissingSaysWhatToInstall(t *testing.T) {
	p := &Peer{Key: "x", Name: "x", program: "no-such-program-here", pkg: "no-such-package"}
	_, err := p.Start(t.Context(), os.Args[0], t.TempDir(), 0)
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install no-such-package") {
		t.Errorf("Start: %v", err)
	}
}

func TestBuilder_WriteFillsAllIn(t *testing.T) {
	entries, err := configs.ReadDir(".")
	if err != nil || len(entries) < 4 {
		t.Fatalf("%d configurations, %v", len(entries), err)
	}
	for _, e := range entries {
		b := &builder{dir: t.TempDir(), behind: "127.0.0.1:9"}
		name, err := b.write(e.Name(), "127.0.0.1:8")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "127.0.0.1:8") || strings.Contains(string(text), "{{") || strings.Contains(string(text), "<no value>") {
			t.Errorf("%s:\n%s", e.Name(), text)
		}
	}
}

func TestAnswers_Bounded(t *testing.T) {
	a := newAnswers()
	for target, want := range map[string]int{
		"/": HelloBytes, "/echo/bytes?n=0": 0, "/echo/bytes?n=7": 7, "/echo/bytes?n=-1": HelloBytes, "/echo/bytes?n=x": HelloBytes,
		"/echo/bytes?n=999999999999": MaxBytes,
	} {
		if body, _ := a.of([]byte(target)); len(body) != want {
			t.Errorf("%s: %d bytes, want %d", target, len(body), want)
		}
	}
}
