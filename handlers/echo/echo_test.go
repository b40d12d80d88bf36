package echo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/handlers"
	"nanofront/handlers/echo"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, ho handlers.Options) *handlertest.Caller {
	t.Helper()
	d := handlertest.NewDiscovery()
	ho.Instance, ho.Discovery = "echo-1", d
	testutil.Start(t, "echo", func(ctx context.Context) error { return echo.Run(ctx, ho) })
	return handlertest.NewCaller(t, d, "echo")
}

func TestEcho_Hello(t *testing.T) {
	c := start(t, handlers.Options{})
	got := c.Get(t, "echo", "/hello")
	if got.Status != 200 || len(got.Body) != echo.HelloBytes || got.Header["content-type"] != "text/plain; charset=utf-8" {
		t.Errorf("got %d, %d bytes, %v", got.Status, len(got.Body), got.Header)
	}
	if !strings.HasPrefix(string(got.Body), "Hello") || !strings.HasSuffix(string(got.Body), "\n") {
		t.Errorf("got %s", got.Body)
	}
}

func TestEcho_Describe(t *testing.T) {
	c := start(t, handlers.Options{})
	got := c.Must(t, "echo", "POST", "/any/p%20ath?a=1&b=%26", "Grüße <&>", "X-B: 1", "X-A: \"x\"", "x-b: 2")
	want := `{"method":"POST","scheme":"http","host":"test.example","path":"/any/p%20ath","query":"a=1&b=%26","client":"192.0.2.1",` +
		`"headers":{"x-b":["1","2"],"x-a":["\"x\""]},"body":"Grüße <&>","body_bytes":11}` + "\n"
	if string(got.Body) != want || got.Header["content-type"] != "application/json" {
		t.Errorf("got  %swant %s", got.Body, want)
	}
}

func TestEcho_DescribeBodies(t *testing.T) {
	c := start(t, handlers.Options{})
	type answer struct {
		Body          string
		BodyBytes     int    `json:"body_bytes"`
		BodyEncoding  string `json:"body_encoding"`
		BodyTruncated bool   `json:"body_truncated"`
	}
	long := strings.Repeat("x", echo.MaxBody-1) + "ü" // cut in its middle
	for _, x := range []struct {
		name, body string
		want       answer
	}{
		{"empty", "", answer{}},
		{"binary", "\xff\x00\x01", answer{Body: base64.StdEncoding.EncodeToString([]byte("\xff\x00\x01")), BodyBytes: 3, BodyEncoding: "base64"}},
		{"long", long, answer{Body: long[:echo.MaxBody-1], BodyBytes: len(long), BodyTruncated: true}},
		{"largest, escaped six times as long", strings.Repeat("\x01", 900_000), answer{Body: strings.Repeat("\x01", echo.MaxBody), BodyBytes: 900_000, BodyTruncated: true}},
	} {
		var got answer
		if err := json.Unmarshal(c.Must(t, "echo", "PUT", "/", x.body).Body, &got); err != nil || got != x.want {
			t.Errorf("%s: got %.60q, %d bytes, %q, %v, err %v", x.name, got.Body, got.BodyBytes, got.BodyEncoding, got.BodyTruncated, err)
		}
	}
}

func TestEcho_Statuses(t *testing.T) {
	c := start(t, handlers.Options{})
	for _, x := range []struct {
		target string
		status int
		want   string
	}{
		{"/echo/status/200", 200, ""},
		{"/echo/status/204", 204, ""},
		{"/echo/status/304", 304, ""},
		{"/echo/status/418", 418, `{"error":"as asked for"}`},
		{"/echo/status/599", 599, "as asked for"},
		{"/echo/status/199", 400, "200 to 599"},
		{"/echo/status/600", 400, "200 to 599"},
		{"/echo/status/", 400, "200 to 599"},
		{"/echo/status/+20", 400, "200 to 599"},
		{"/echo/status/0404", 400, "200 to 599"},
		{"/echo/status/204?after=10", 204, ""},
		{"/echo/status/204?after=-1", 400, "after is \\\"-1\\\": want a number from 0 to 1099511627776"},
		{"/echo/digest?ms=1", 200, `{"bytes":0,`},
		{"/echo/digest?ms=60001", 400, "0 to 60000"},
		{"/echo/stream", 400, "pieces is"},
		{"/echo/stream?pieces=1", 400, "bytes is"},
		{"/echo/stream?pieces=10001&bytes=1", 400, "0 to 10000"},
		{"/echo/stream?pieces=1&bytes=1048577", 400, "0 to 1048576"},
		{"/echo/stream?pieces=1&bytes=1&ms=x", 400, "ms is"},
		{"/echo/stream?pieces=1&bytes=1&fail=x", 400, "fail is"},
		{"/echo/stream?pieces=1&bytes=1&length=2", 400, "0 to 1"},
		{"/echo/sleep?ms=0", 200, "slept 0 ms"},
		{"/echo/sleep?ms=20", 200, "slept 20 ms"},
		{"/echo/sleep?ms=60001", 400, "ms is \\\"60001\\\": want a number from 0 to 60000"},
		{"/echo/sleep?ms=-1", 400, "0 to 60000"},
		{"/echo/sleep", 400, "0 to 60000"},
		{"/echo/bytes?n=1099511627777", 400, "0 to 1099511627776"},
		{"/echo/bytes?n=x", 400, "0 to 1099511627776"},
	} {
		got := c.Get(t, "echo", x.target)
		if got.Status != x.status || !strings.Contains(string(got.Body), x.want) {
			t.Errorf("%s: got %d %.100s, want %d with %s", x.target, got.Status, got.Body, x.status, x.want)
		}
	}
	for _, n := range []int{0, 1, 64, 1000, handlers.MaxWhole} {
		if got := c.Get(t, "echo", fmt.Sprintf("/echo/bytes?n=%d", n)); len(got.Body) != n {
			t.Errorf("%d bytes: got %d", n, len(got.Body))
		}
	}
}

func TestEcho_PanicIsContained(t *testing.T) {
	c := start(t, handlers.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	if got, err := c.Do(ctx, "echo", "GET", "/echo/panic", nil); err == nil && got.Status != 500 {
		t.Errorf("got %d", got.Status)
	}
	if got := c.Get(t, "echo", "/hello"); got.Status != 200 {
		t.Errorf("afterwards: got %d", got.Status)
	}
}

// TestEcho_SleepKeepsNobodyWaiting also sees that a sleeper wakes up when its
// caller gives up: else the process would not end in time.
func TestEcho_SleepKeepsNobodyWaiting(t *testing.T) {
	c := start(t, handlers.Options{})
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 8)
	for range cap(ended) {
		go func() {
			_, err := c.Do(ctx, "echo", "GET", "/echo/sleep?ms=60000", nil)
			ended <- err
		}()
	}
	begin := time.Now()
	for range 100 {
		if got := c.Get(t, "echo", "/hello"); got.Status != 200 {
			t.Fatalf("got %d", got.Status)
		}
	}
	if took := time.Since(begin); took > 40*time.Second {
		t.Errorf("100 requests beside sleepers took %v", took)
	}
	giveUp()
	for range cap(ended) {
		if err := <-ended; err == nil {
			t.Error("a call that was given up has an answer")
		}
	}
}

func TestNew_NeedsADiscovery(t *testing.T) {
	if err := echo.Run(t.Context(), handlers.Options{}); err == nil {
		t.Error("no error")
	}
}

func BenchmarkHello_ThroughTheBus(b *testing.B) {
	c := start(b, handlers.Options{})
	client := c.Client("echo")
	b.ReportAllocs()
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call := handlers.AcquireCall()
			call.Request.Method, call.Request.Path = []byte("GET"), []byte("/hello")
			if err := client.Do(context.Background(), call); err != nil || len(call.Response.Body) != echo.HelloBytes {
				b.Errorf("%v, %d bytes", err, len(call.Response.Body))
			}
			call.Release()
		}
	})
}
