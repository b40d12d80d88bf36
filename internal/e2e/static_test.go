package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// TestStatic_Readiness follows a front without etcd from before its handler is
// there to after it has gone.
func TestStatic_Readiness(t *testing.T) {
	f := startFront(t, frontOptions{echo: -1})
	// From its first answer on: what starts traffic at a 200 must not see one early.
	testutil.Eventually(t, "the admin port answers", func() bool {
		code, _, err := adminGet(f.admin, "/readyz")
		if err == nil && code != 503 {
			t.Fatalf("/readyz without a handler says %d", code)
		}
		return err == nil
	})
	testutil.Eventually(t, "HTTP is served", func() bool {
		c := client{addr: f.http}
		defer c.close()
		_, err := c.do(get("/hello"))
		return err == nil
	})
	testutil.Eventually(t, "/readyz without a handler names the service", func() bool {
		return strings.Contains(f.ready(t, 503), "echo")
	})
	if code, body, err := adminGet(f.admin, "/healthz"); code != 200 || err != nil {
		t.Errorf("/healthz without a handler: %d %q %v", code, body, err)
	}
	began := time.Now()
	r := ask(t, f.http, get("/hello"))
	r.wants(t, 503, "GET /hello without a handler")
	r.isError(t, "GET /hello without a handler")
	if took := time.Since(began); r.header.Get("Retry-After") == "" || took > within(500*time.Millisecond, 8*time.Second) {
		t.Errorf("503 after %v with Retry-After %q, want one at once", took, r.header.Get("Retry-After"))
	}

	f.startEcho(t, 0)
	f.ready(t, 200)
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
	if code, _, err := adminGet(f.echo[0].admin, "/readyz"); code != 200 || err != nil {
		t.Errorf("/readyz of the handler: %d %v", code, err)
	}
	st := finish(t, "nanofront", "status", "--static", f.table, "--terminators", f.admin)
	if st.code != 0 || !strings.Contains(st.out, "echo-1") {
		t.Errorf("status --static: exit code %d:\n%s", st.code, st.out)
	}

	f.echo[0].signal(t, syscall.SIGKILL)
	f.ready(t, 503)
	ask(t, f.http, get("/hello")).wants(t, 503, "GET /hello after the handler was killed")
	f.startEcho(t, 0)
	f.ready(t, 200)
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello of its successor")
}

// TestStatic_Changed: the table is read again when it changes, and a bad one is
// not put in force.
func TestStatic_Changed(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{})
	ask(t, f.http, get("/greet")).wants(t, 200, "GET /greet")
	table := "version: 1\ninstances:\n  - {service: echo, id: echo-1, address: \"" + f.echo[0].bus + "\"}\nroutes:\n"
	writeFile(t, f.table, table+"  - {match: {path: /hello}, service: echo, timeout: soon}\n")
	f.terminator.says(t, "timeout")
	ask(t, f.http, get("/greet")).wants(t, 200, "GET /greet with a bad table")
	writeFile(t, f.table, table+"  - {match: {path: /hello}, service: echo}\n")
	testutil.Eventually(t, "the new table is in force", func() bool { return ask(t, f.http, get("/greet")).status == 404 })
	ask(t, f.http, get("/hello")).wants(t, 200, "GET /hello")
}

// TestFailover_InFlight kills a handler that has requests at work: what is safe
// to do again is done again elsewhere, what isn't is told to be uncertain.
func TestFailover_InFlight(t *testing.T) {
	t.Parallel()
	f := startFront(t, frontOptions{echo: 2})
	linked(t, f.admin, "echo", 2)
	// One kind after the other: the load is shared out evenly, so that either
	// handler gets some of both.
	var reads, writes []<-chan result
	for range 12 {
		writes = append(writes, slept(f.http, "POST", 4*time.Second))
	}
	inFlight(t, f.admin, 12)
	for range 12 {
		reads = append(reads, slept(f.http, "GET", 4*time.Second))
	}
	inFlight(t, f.admin, 24)
	f.echo[0].signal(t, syscall.SIGKILL)
	for _, done := range reads {
		if r := <-done; r.failed != nil || r.status != 200 {
			t.Errorf("GET: status %d, %v; want 200", r.status, r.failed)
		}
	}
	lost := 0
	for _, done := range writes {
		switch r := <-done; {
		case r.failed != nil || r.status != 200 && r.status != 502:
			t.Errorf("POST: status %d, %v; want 200, or 502 where it was lost", r.status, r.failed)
		case r.status == 502:
			lost++
			r.isError(t, "POST")
		}
	}
	if n := counter(t, f.admin, "http.retries"); lost == 0 || n == 0 {
		t.Errorf("%d POSTs lost, http.retries %d", lost, n)
	}
	testutil.Eventually(t, fmt.Sprintf("http.upstream_errors is %d", lost), func() bool {
		return counter(t, f.admin, "http.upstream_errors") == uint64(lost)
	})
}

// TestAdmission_Limits: what is over a limit is refused at once.
func TestAdmission_Limits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, counted string
		options       frontOptions
	}{
		{"admission", "http.shed", frontOptions{terminator: []string{"--max-in-flight", "2", "--min-in-flight", "2"}}},
		{"window", "http.no_credit", frontOptions{handler: []string{"--window", "2"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := startFront(t, c.options)
			a, b := slept(f.http, "GET", 4*time.Second), slept(f.http, "GET", 4*time.Second)
			inFlight(t, f.admin, 2)
			began := time.Now()
			r := ask(t, f.http, get("/hello"))
			took := time.Since(began)
			r.wants(t, 503, "a third request")
			r.isError(t, "a third request")
			if r.header.Get("Retry-After") == "" || took > within(500*time.Millisecond, 8*time.Second) {
				t.Errorf("503 after %v with Retry-After %q", took, r.header.Get("Retry-After"))
			}
			for _, done := range []<-chan result{a, b} {
				if r := <-done; r.failed != nil || r.status != 200 {
					t.Errorf("a request within the limit: status %d, %v", r.status, r.failed)
				}
			}
			if n := counter(t, f.admin, c.counted); n != 1 {
				t.Errorf("%s is %d, want 1", c.counted, n)
			}
			ask(t, f.http, get("/hello")).wants(t, 200, "a request afterwards")
		})
	}
}
