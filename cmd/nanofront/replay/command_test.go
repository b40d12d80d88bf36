package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/recording"
	"nanofront/internal/testutil"
)

var begin = time.Date(2030, 1, 2, 15, 4, 5, 0, time.UTC)

// write makes a recording of n requests, a millisecond apart.
func write(t *testing.T, key []byte, n int, change func(i int, r *recording.Record)) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.nfrec")
	red, err := recording.NewRedactor(recording.RedactOptions{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	h := recording.Header{Created: now, Expires: now.Add(time.Hour), Share: 0.5, System: "shop", KeyKept: key != nil}
	red.Header(&h)
	w, err := recording.Create(name, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := recording.Record{
			At: begin.Add(time.Duration(i) * time.Millisecond).UnixNano(), Hop: 1, Outcome: recording.Answered, Service: "web", Instance: "web-1",
			Method: "GET", Scheme: "http", Host: "example.com", Path: fmt.Sprintf("/profile/%d", i), Route: "profiles", RequestID: fmt.Sprintf("id-%d", i),
			Answer: recording.Answer{Status: 200, Latency: time.Millisecond, Body: red.Body([]byte("ok"), 0), Fields: []recording.Field{red.Field("content-type", "text/plain; charset=utf-8")}},
		}
		if change != nil {
			change(i, &r)
		}
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(recording.Summary{Ended: now, Why: "for", Lost: recording.Lost{Tap: 7}}); err != nil {
		t.Fatal(err)
	}
	return name
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok")
}

// run runs the command with arguments, as a user does.
func run(ctx context.Context, args ...string) (out, errOut string, err error) {
	var g struct {
		Replay Command `cmd:""`
	}
	var o, e bytes.Buffer
	std := cli.IO{Out: &o, Err: &e}
	if _, err = cli.Parse(cli.Program{Name: "nanofront", Vars: map[string]string{"admin": ""}}, &g, append([]string{"replay"}, args...), std); err == nil {
		err = g.Replay.Run(ctx, std)
	}
	return o.String(), e.String(), err
}

func code(err error) int {
	var c *cli.CodeError
	var u *cli.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &c):
		return c.Code
	case errors.As(err, &u):
		return cli.ExitUsage
	}
	return cli.ExitError
}

func TestCommand_ToAFront(t *testing.T) {
	key := recording.NewKey()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	name := write(t, key, 200, func(i int, r *recording.Record) {
		if i == 5 {
			r.Method = "POST"
		}
	})
	var faulty atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if faulty.Load() && r.URL.Path == "/profile/7" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		if faulty.Load() && r.URL.Path == "/profile/8" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "ko")
			return
		}
		ok(w, r)
	}))
	defer srv.Close()
	const late = "--max-late=1m" // the machine may be busy
	out, errOut, err := run(t.Context(), name, srv.URL, "--key-file", keyFile, late)
	t.Logf("%s\n%s", errOut, out)
	for _, want := range []string{"profiles", "199", "sent late", "1 × POST: it may change data", "7 frames lost by the instances' taps", "50 % of the requests"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the output", want)
		}
	}
	if code(err) != 0 || !strings.Contains(errOut, "200 requests of 199 ms from shop") {
		t.Errorf("%v, %q", err, errOut)
	}
	faulty.Store(true)
	out, _, err = run(t.Context(), name, srv.URL, "--key-file", keyFile, late, "--speed", "10")
	t.Log(out, err)
	if code(err) != exitDiffers || !strings.Contains(out, "1 × status 200 → 500") || !strings.Contains(out, "GET /profile/7: status 200 → 500 (recorded as id-7)") || !strings.Contains(out, "1 × body") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = run(t.Context(), name, srv.URL, "--flat-out", "--json", "--from", "10ms", "--until", begin.Add(30*time.Millisecond).Format(time.RFC3339Nano), "--loop", "2")
	var r report
	if jerr := json.Unmarshal([]byte(out), &r); jerr != nil || code(err) != 0 || r.Total.Requests != 40 || r.Total.Same != 40 || r.Late != nil || r.Lost.Tap != 7 {
		t.Errorf("%v, %v\n%s", err, jerr, out)
	}
}

// Nobody can be on time to 10 µs at 500 times the pace: nothing is claimed about latencies then.
func TestCommand_TooLate(t *testing.T) {
	name := write(t, nil, 500, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		testutil.Work(r.Context(), 2*time.Millisecond) // a slow target is what is tested
		ok(w, r)
	}))
	defer srv.Close()
	out, errOut, err := run(t.Context(), name, srv.URL, "--speed", "500", "--connections", "2", "--max-late", "10us")
	t.Log(errOut, out, err)
	if code(err) != exitLate || !strings.Contains(out, "allow more with --connections") || !strings.Contains(errOut, "its key was thrown away") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCommand_Refuses(t *testing.T) {
	key := recording.NewKey()
	name := write(t, key, 3, nil)
	other := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(other, recording.NewKey(), 0o600); err != nil {
		t.Fatal(err)
	}
	thrown := write(t, nil, 3, func(_ int, r *recording.Record) { r.Method = "PUT" })
	srv := httptest.NewServer(http.HandlerFunc(ok))
	defer srv.Close()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{name + "x"}, cli.ExitError, "no such file"},
		{[]string{name, "ftp://a"}, cli.ExitUsage, `"ftp://a" is not a URL such as`},
		{[]string{name, srv.URL + "/a"}, cli.ExitUsage, "has more than a host and a port"},
		{[]string{name, "http://127.0.0.1:1"}, cli.ExitError, "nobody listens on 127.0.0.1:1"},
		{[]string{name, srv.URL, "--service", "web"}, cli.ExitUsage, "give one of them"},
		{[]string{name, "--instance", "web-1"}, cli.ExitUsage, "of which service?"},
		{[]string{name, srv.URL, "--flat-out", "--speed", "2"}, cli.ExitUsage, "exclude each other"},
		{[]string{name, srv.URL, "--unsafe", "GET"}, cli.ExitUsage, `"GET" is not one of POST, PUT, PATCH, DELETE`},
		{[]string{name, srv.URL, "--from", "x"}, cli.ExitUsage, `"x" is neither a duration`},
		{[]string{name, srv.URL, "--from", "1h"}, cli.ExitUsage, "the recording ends before that"},
		{[]string{name, srv.URL, "--from", "2ms", "--until", "1ms"}, cli.ExitUsage, "is not before --until"},
		{[]string{name, srv.URL, "--compare", "a,b,c,d,e,f,g,h,i"}, cli.ExitError, "at most 8"},
		{[]string{name, srv.URL, "--key-file", other}, cli.ExitUsage, "was recorded with key"},
		{[]string{thrown, srv.URL, "--key-file", other}, cli.ExitUsage, "was thrown away"},
		{[]string{thrown, srv.URL}, cli.ExitError, "3 requests have methods that change something"},
	} {
		_, _, err := run(t.Context(), c.args...)
		if err == nil || code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v gives %v (%d), want %q (%d)", c.args[1:], err, code(err), c.want, c.code)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for address, want := range map[string]bool{
		"tcp://127.0.0.1:1": true, "ipc:///run/a.sock": true, "tls+tcp://[::1]:1": true, "tcp://localhost:1": true,
		"tcp://10.0.0.1:1": false, "tcp://example.com:1": false, "x": false,
	} {
		if local(address) != want {
			t.Errorf("local(%q) is %v", address, !want)
		}
	}
}
