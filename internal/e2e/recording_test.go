package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"nanofront/handlers"
	"nanofront/internal/testutil"
	"nanofront/registry/static"
)

// recorded is a line of nanofront record show --json.
type recorded struct {
	Hop       int    `json:"hop"`
	Instance  string `json:"instance"`
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Query     string `json:"query"`
	Outcome   string `json:"outcome"`
	Status    int    `json:"status"`
	Header    [][2]string
	Body      *struct{ Bytes int64 }
}

// readRecording lists a recording, whose first line is about it.
func readRecording(t *testing.T, name string) (list []recorded, whole bool) {
	t.Helper()
	shown := finish(t, "nanofront", "record", "show", name, "--json")
	if shown.code != 0 {
		t.Fatalf("exit code %d:\n%s", shown.code, shown.out)
	}
	for line := range strings.Lines(shown.out) {
		var r recorded
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %.300q", err, line)
		}
		if r.Method != "" {
			list = append(list, r)
			continue
		}
		var head struct{ Whole bool }
		if err := json.Unmarshal([]byte(line), &head); err != nil {
			t.Fatal(err)
		}
		whole = head.Whole
	}
	return list, whole
}

// TestRecord_BothHops records a share of what a whole system does, and lists it.
func TestRecord_BothHops(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	name := filepath.Join(t.TempDir(), "r.nfrec")
	rec := start(t, "nanofront", "record", name, "--share", "0.5", "--etcd", s.etcd)
	for _, in := range []string{"web/web-1", "web/web-2", "echo/echo-1", "profile/profile-1"} {
		rec.says(t, "listening to "+in)
	}
	tap := startTap(t, "--etcd", s.etcd, "--match", "/profile/")
	for _, in := range []string{"web/web-1", "web/web-2", "profile/profile-1"} {
		tap.says(t, "listening to "+in)
	}
	const asked = 60
	for i := range asked {
		ask(t, s.http, get(fmt.Sprintf("/profile/%d", 100+i))).wants(t, 200, "a member")
	}
	testutil.Eventually(t, "all frames are seen", func() bool { return len(frames(t, tap)) >= 4*asked })
	interrupt(t, tap)
	interrupt(t, rec)
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info.Mode(), err)
	}
	for _, want := range []string{"records in", "nothing was lost", "it can be read until"} {
		if !rec.out.has(want) {
			t.Errorf("the summary doesn't say %q:\n%s", want, rec.out.tail())
		}
	}
	list, whole := readRecording(t, name)
	hops := map[string]int{}
	for _, r := range list {
		hops[r.RequestID] += r.Hop
		if r.Outcome != "answered" || r.Status != 200 || r.Hop == 2 != (r.Instance == "profile-1") {
			t.Errorf("got %+v", r)
		}
	}
	for id, sum := range hops {
		if sum != 3 {
			t.Errorf("request %s has hops that add up to %d, want 1 and 2", id, sum)
		}
	}
	if !whole || len(hops) < asked/5 || len(hops) > asked*4/5 {
		t.Errorf("%d requests of %d in a share of a half, whole %v", len(hops), asked, whole)
	}
	if shown := finish(t, "nanofront", "record", "show", name); shown.code != 0 || !strings.Contains(shown.out, "GET /profile/1") || !strings.Contains(shown.out, "0.5 of 1 of all requests") {
		t.Errorf("exit code %d:\n%s", shown.code, shown.out)
	}
	if again := finish(t, "nanofront", "record", name, "--etcd", s.etcd); again.code != 1 || !strings.Contains(again.out, "replaces no file") {
		t.Errorf("a second time: exit code %d:\n%s", again.code, again.out)
	}
	name += "2"
	if none := finish(t, "nanofront", "record", name, "--service", "nobody", "--etcd", s.etcd); none.code != 1 || !strings.Contains(none.out, "no instance of service") {
		t.Errorf("of nobody: exit code %d:\n%s", none.code, none.out)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("a recording of nobody is left behind")
	}

	// The tap has each request's two hops linked, in the order of their times.
	ids := map[string]string{}
	for _, f := range frames(t, tap) {
		if f.RequestID == "" || f.Kind == "request" && f.Service == "profile" && (f.Parent == "" || f.Parent != ids[f.RequestID]) {
			t.Fatalf("not linked: %+v, %v", f, ids)
		}
		if f.Kind == "request" && f.Service == "web" {
			ids[f.RequestID] = f.ID
		}
	}
}

// planted are the secrets of a test, by where they were put.
type planted struct {
	mu   sync.Mutex
	list map[string]string
}

// secret makes one of several kinds.
func (p *planted) secret(place string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.list[place]; s != "" {
		return s
	}
	raw := make([]byte, 12)
	_, _ = rand.Read(raw)                       // it ends the program rather than fail
	s := "hunter" + hex.EncodeToString(raw[:6]) // a word
	switch len(p.list) % 4 {
	case 1:
		s = hex.EncodeToString(raw)
	case 2:
		s = ""
		for _, b := range raw {
			s += string('0' + b%10)
		}
		s = "4" + s + "17"
	case 3:
		s = "eyJ" + base64.RawURLEncoding.EncodeToString(raw)
	}
	p.list[place] = s
	return s
}

// found are the places whose secrets are in b, as they are or in another writing.
func (p *planted) found(b []byte) (places []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b = bytes.ToLower(b)
	for place, s := range p.list {
		for _, form := range []string{
			s, escaped(s), url.QueryEscape(s), hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s)),
			base64.RawURLEncoding.EncodeToString([]byte(s))[:len(s)*4/3-1],
		} {
			if bytes.Contains(b, []byte(strings.ToLower(form))) {
				places = append(places, place)
				break
			}
		}
	}
	return places
}

// escaped has each byte percent-encoded.
func escaped(s string) string {
	var out strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&out, "%%%02X", s[i])
	}
	return out.String()
}

// TestRecord_NoSecretIsInTheFile plants secrets wherever clients and handlers have them, sees by a
// tap that all of them come by, and looks for them in the recording, as it is and unpacked.
func TestRecord_NoSecretIsInTheFile(t *testing.T) {
	t.Parallel()
	secrets := &planted{list: map[string]string{}}
	s := secrets.secret
	bus, vault := "tcp://"+freeAddr(t), "vault vault-1 "
	f := startFront(t, frontOptions{echo: -1, table: []string{vault + bus}, routes: "  - {match: {prefix: /vault}, service: vault}\n" + echoRoutes})
	table, err := static.Open(t.Context(), static.Options{File: f.table, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	answer := [][2]string{
		{"set-cookie", "sid=" + s("Set-Cookie") + "; Path=/" + s("Set-Cookie's path") + "; HttpOnly; x=" + s("Set-Cookie's attribute")},
		{"location", "https://jo:" + s("Location's userinfo") + "@h/cb?code=" + s("Location's query") + "#token=" + s("Location's fragment")},
		{"etag", `"` + s("ETag") + `"`},
		{"www-authenticate", `Digest nonce="` + s("WWW-Authenticate") + `"`},
		{"content-type", `application/json; boundary="` + s("answer's Content-Type") + `"`},
		{"cache-control", "max-age=1, " + s("Cache-Control")},
		{"x-" + s("answer's field name"), "1"},
		{"link", "</x?key=" + s("Link") + ">; rel=next"},
	}
	document := fmt.Sprintf(`{"token":%q,"nested":{"password":%q}}`, s("answer's JSON"), s("answer's nested JSON"))
	rt, err := handlers.New(handlers.Options{Service: "vault", Instance: "vault-1", Listen: bus, Discovery: table, Calls: []string{"echo"}})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "vault", func(ctx context.Context) error {
		defer func() { _ = rt.Close() }()
		echo := rt.Client("echo")
		return rt.Run(ctx, handlers.HandlerFunc(func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
			if strings.HasSuffix(string(req.Path), "/fail") {
				return errors.New("wrong password " + s("an error's text"))
			}
			// What it was told goes on to another service.
			c := handlers.AcquireCall()
			defer c.Release()
			c.Request.Method, c.Request.Path, c.Request.Query = []byte("POST"), []byte("/echo"), []byte("key="+s("second hop's query"))
			c.Request.Header = append(c.Request.Header, req.Header...)
			c.Request.Body = []byte(s("second hop's body"))
			if err := echo.Do(ctx, c); err != nil {
				return err
			}
			for _, h := range answer {
				resp.Add([]byte(h[0]), []byte(h[1]))
			}
			resp.Body = append(resp.Body, document...)
			return nil
		}))
	})
	f.startEcho(t, 0)
	f.ready(t, 200)

	name := filepath.Join(t.TempDir(), "r.nfrec")
	rec := start(t, "nanofront", "record", name, "--static", f.table)
	tap := startTap(t, "--payload", "full", "--static", f.table)
	for _, p := range []*process{rec, tap} {
		p.says(t, "listening to vault/vault-1")
		p.says(t, "listening to echo/echo-1")
	}
	requests := []request{
		get("/vault?token="+s("query")+"&"+escaped("token")+"="+escaped(s("escaped query"))+"&"+s("query without a value")+"&a;b="+s("query behind a semicolon"),
			"Authorization: Bearer "+s("Bearer"), "Cookie: sid="+s("Cookie")+"; "+s("Cookie without a name"),
			"Referer: https://jo:"+s("Referer's userinfo")+"@h/x?t="+s("Referer's query"), "x-ApI-kEy: "+s("X-API-Key"),
			"X-Request-Id: "+s("X-Request-Id"), "User-Agent: "+s("User-Agent"), "Accept: text/html;x="+s("Accept"), "Accept-Language: "+s("Accept-Language"),
			"If-None-Match: \""+s("If-None-Match")+"\"", "Idempotency-Key: "+s("Idempotency-Key"), "X-Forwarded-For: "+s("X-Forwarded-For"),
			"X-"+s("field name")+": 1", "Origin: https://"+s("Origin"), "Range: bytes=0-"+s("Range")),
		get("/vault", "aUtHoRiZaTiOn: bAsIc "+base64.StdEncoding.EncodeToString([]byte("jo:"+s("Basic"))), "Authorization: "+s("Authorization without a scheme"),
			"cOoKiE: a="+s("odd Cookie"), "Proxy_Authorization: "+s("Proxy_Authorization"), "Date: "+s("Date")),
		get("/vault/reset/eyJ"+s("token in a path")+"/x", "Accept: */*"),
		get("/vault/a;jsessionid=" + s("path's parameter")),
		{method: "POST", target: "/vault", header: []string{"Content-Type: application/x-www-form-urlencoded"}, body: "user=jo&password=" + escaped(s("form")) + "&pin=" + s("second of a form")},
		{method: "POST", target: "/vault", header: []string{"Content-Type: multipart/form-data; boundary=" + s("boundary")}, body: "--" + s("boundary") + "\r\n\r\n" + s("multipart")},
		{method: "PUT", target: "/vault", header: []string{"Content-Type: application/json"}, body: `{"a":"` + s("JSON") + `"}`},
		{method: "POST", target: "/vault", body: strings.Repeat("x", 70_000) + s("behind what is copied")},
		get("/vault/fail"),
	}
	for _, r := range requests {
		if got := ask(t, f.http, r); got.status != 200 && !strings.HasSuffix(r.target, "/fail") {
			t.Fatalf("%s %s: %d", r.method, r.target, got.status)
		}
	}
	// Some fields no front lets through.
	called := finish(t, "nanofront", "bus", "call", "vault", "/vault?"+s("call's query"), "--static", f.table,
		"-H", "Proxy-Authorization: Basic "+s("Proxy-Authorization"), "-H", "Forwarded: for="+s("Forwarded"))
	if called.code != 0 {
		t.Fatalf("bus call:\n%s", called.out)
	}
	want := 2*(len(requests)+1) - 1
	testutil.Eventually(t, "all frames are seen", func() bool { return len(frames(t, tap)) >= 2*want })
	interrupt(t, tap)
	interrupt(t, rec)

	list, whole := readRecording(t, name)
	if len(list) != want || !whole || !rec.out.has("1 with a body that was copied in part") && !rec.out.has("2 with a body that was copied in part") {
		t.Errorf("%d records, want %d; whole %v:\n%s", len(list), want, whole, rec.out.tail())
	}
	// The front drops these, which is as good.
	seen := append(secrets.found([]byte(tap.out.String())), "X-Forwarded-For", "Proxy_Authorization", "behind what is copied", "an error's text")
	for place := range secrets.list {
		if !slices.Contains(seen, place) {
			t.Errorf("no tap has seen the secret in %s: this test looks for what isn't there", place)
		}
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	unpacker, err := zstd.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer unpacker.Close()
	unpacked, err := io.ReadAll(unpacker)
	if err != nil || len(unpacked) < 5000 || !bytes.Contains(unpacked, []byte("vault-1")) {
		t.Fatalf("unpacked %d bytes, %v", len(unpacked), err)
	}
	shown := finish(t, "nanofront", "record", "show", name, "--json").out + finish(t, "nanofront", "record", "show", name).out
	for where, b := range map[string][]byte{"the file": raw, "the unpacked file": unpacked, "what is shown": []byte(shown), "what the recorder says": []byte(rec.out.String())} {
		for _, place := range secrets.found(b) {
			t.Errorf("%s has the secret in %s", where, place)
		}
	}
}
