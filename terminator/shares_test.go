package terminator

import (
	"fmt"
	"strings"
	"testing"

	"nanofront/httpmsg"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// versioned adds an instance of a version to the front. It answers with its version, and with what
// the request says of the one that is meant.
func (f *front) versioned(t testing.TB, id, version string) *node {
	t.Helper()
	n := startNodeWith(t, nanobus.Options{Service: "work", Instance: id, Version: version}, func(req *httpmsg.Request, r *nanobus.Request) {
		d := req.Decision
		respond(r, &httpmsg.Response{Body: fmt.Appendf(nil, "%s %s %d %q %s%s", version, req.Version, d.Revision(), d.Variant("list"),
			httpmsg.FirstVersion(d.Versions("deep")), req.Header.Get("x-version"))})
	})
	live := f.bus.Service("work").Live()
	f.d.add(registry.Instance{Service: "work", ID: id, Address: n.address, Version: version})
	eventually(t, "a link to "+id, func() bool { return f.bus.Service("work").Live() == live+1 })
	return n
}

// shared puts a document in force.
func (f *front) shared(t testing.TB, revision int64, doc string) {
	t.Helper()
	routes, err := registry.ParseRoutes([]byte("version: 2\nroutes: [{name: all, match: {prefix: /}, service: work}]\n" + doc))
	if err != nil {
		t.Fatal(err)
	}
	f.d.change(func(s *registry.Snapshot) { s.Routes, s.Revision = routes, revision })
	eventually(t, "the document in force", func() bool { return Revision(f.Terminator) == revision })
}

// TestShares_ExactOverEachThousand also sees that nothing is allocated anew when another part of the
// document changes: the block goes on.
func TestShares_ExactOverEachThousand(t *testing.T) { bothWays(t, testSharesExact) }

func testSharesExact(t *testing.T) {
	f := startFront(t, Options{})
	for _, v := range []string{"41", "42", "43"} {
		f.versioned(t, "w"+v, v)
	}
	f.shared(t, 7, `services: {work: {versions: {"41": 95, "42": 5}}}`)
	c := f.dial(t)
	got := map[string]int{}
	for i := range 2000 {
		if i == 500 {
			f.shared(t, 8, `services: {work: {goals: [1s], versions: {"41": 95, "42": 5}}}`)
		}
		got[strings.Fields(c.ask("GET", "/", "").body)[0]]++
	}
	if got["41"] != 1900 || got["42"] != 100 || len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if n := f.count(metrics.VersionAssigned, "work", "42"); n != 100 {
		t.Errorf("%d assigned to 42", n)
	}
	eventually(t, "all are counted as served", func() bool { return f.count(metrics.VersionServed, "work", "42") == 100 })
}

// Who is on a version that grows stays there, at all terminators and after a restart; and who has no
// cookie is told from others by his address.
func TestShares_StickyWhileSharesGrow(t *testing.T) {
	const clients = 400
	fronts := []*front{startFront(t, Options{}), startFront(t, Options{})}
	for _, f := range fronts {
		f.versioned(t, "a", "41")
		f.versioned(t, "b", "42")
	}
	was := make([]string, clients)
	for step, share := range []int{5, 25, 60, 100} {
		if step == 2 {
			fronts[1] = startFront(t, Options{}) // a new one in its place
			fronts[1].versioned(t, "a", "41")
			fronts[1].versioned(t, "b", "42")
		}
		on42 := 0
		for k, f := range fronts {
			f.shared(t, int64(step+1), fmt.Sprintf(`services: {work: {versions: {"41": %d, "42": %d}, sticky: "cookie:session"}}`, 100-share, share))
			c := f.dial(t)
			for i := range was {
				got := strings.Fields(c.ask("GET", "/", fmt.Sprintf("Cookie: a=b; session=s%d\n", i)).body)[0]
				if was[i] == "42" && got == "41" || k == 1 && got != was[i] {
					t.Fatalf("at %d %%: client %d was on %s and is on %s", share, i, was[i], got)
				}
				if was[i] = got; k == 0 && got == "42" {
					on42++
				}
			}
			first := strings.Fields(c.ask("GET", "/", "").body)[0]
			for range 20 {
				if again := strings.Fields(c.ask("GET", "/", "Cookie: other=1\n").body)[0]; again != first {
					t.Fatalf("without a cookie from one address: %s and %s", first, again)
				}
			}
			if n := f.count(metrics.RoutesKeyless); n < 21 {
				t.Errorf("%d counted without a key", n)
			}
		}
		if want := clients * share / 100; on42 < want-25 || on42 > want+25 {
			t.Errorf("at %d %%: %d of %d clients are on 42", share, on42, clients)
		}
	}
}

// While nobody runs the version that is meant, those with a share take over, and no others.
func TestShares_NobodyRunsTheVersion(t *testing.T) {
	f := startFront(t, Options{})
	f.versioned(t, "a", "41")
	f.versioned(t, "c", "43")
	f.shared(t, 1, `services: {work: {versions: {"41": 1, "42": 1}}}`)
	c := f.dial(t)
	for range 1000 {
		if got := c.ask("GET", "/", ""); !strings.HasPrefix(got.body, "41 ") {
			t.Fatalf("got %d %q", got.StatusCode, got.body)
		}
	}
	for d, want := range map[*metrics.Desc]uint64{metrics.VersionAssigned: 500, metrics.VersionMoved: 500, metrics.VersionServed: 0} {
		eventually(t, fmt.Sprintf("%d for 42 in %s", want, d.Name), func() bool { return f.count(d, "work", "42") == want })
	}
	eventually(t, "1000 served by 41", func() bool { return f.count(metrics.VersionServed, "work", "41") == 1000 })
	if n := f.set.Gauge(metrics.RoutesVersionsMissing).Value(); n != 1 {
		t.Errorf("%v versions missing, want 1", n)
	}
	// It comes while requests are under way.
	f.versioned(t, "b", "42")
	if got := c.ask("GET", "/", ""); got.StatusCode != 200 {
		t.Fatalf("got %d", got.StatusCode)
	}
	f.shared(t, 2, `services: {work: {versions: {"44": 1}}}`)
	if got := c.ask("GET", "/", ""); got.StatusCode != 503 {
		t.Errorf("with no version that has a share: %d %q", got.StatusCode, got.body)
	}
	eventually(t, "it is counted as refused", func() bool { return f.count(metrics.VersionRefused, "work", "44") == 1 })
}

// X-Version is for those who may ask; nobody's reaches a handler.
func TestShares_AskedFor(t *testing.T) { bothWays(t, testSharesAskedFor) }

func testSharesAskedFor(t *testing.T) {
	f := startFront(t, Options{})
	for _, v := range []string{"41", "42", "43"} {
		f.versioned(t, "w"+v, v)
	}
	const versions = `services: {work: {versions: {"41": 1, "42": 0}}}` + "\n"
	const token = `ask_version: {tokens: ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]}` // of "test"
	for i, tc := range []struct{ doc, fields, want string }{
		{versions, "X-Version: 42\n", "41 41"},
		{versions + token, "X-Version: 42\n", "41 41"},
		{versions + token, "X-Version: 42\nX-Version-Token: tset\n", "41 41"},
		{versions + token, "X-Version: 42\nX-Version-Token: test\n", "42 42"},
		{versions + token, "X-Version: 43\nX-Version-Token: test\n", "43 43"},
		{versions + token, "X-Version: 44\nX-Version-Token: test\n", "41 44"}, // nobody runs it
		{versions + token, "X_Version: 42\nX-Version-Token: test\n", "41 41"},
		{versions + token, "X-Version: 42\nX-Version: 43\nX-Version-Token: test\n", "41 41"},
		{versions + "ask_version: {from: [127.0.0.0/8]}", "X-Version: 42\n", "42 42"},
		{versions + "ask_version: {from: [10.0.0.0/8]}", "X-Version: 42\n", "41 41"},
		{"ask_version: {from: [127.0.0.1]}", "X-Version: 43\n", "43 43"}, // of a service that isn't divided
	} {
		f.shared(t, int64(i+1), tc.doc)
		if got := f.ask(t, "GET", "/", tc.fields); got.body != fmt.Sprintf("%s %d %q ", tc.want, i+1, "") {
			t.Errorf("%s with %q: %q, want %q", tc.doc, tc.fields, got.body, tc.want)
		}
	}
	// To a document of version 1 it is a field as any other.
	f.d.routes(prefix("/", "work"))
	f.d.change(func(s *registry.Snapshot) { s.Revision = 0 })
	eventually(t, "no revision", func() bool { return Revision(f.Terminator) == 0 })
	if got := f.ask(t, "GET", "/", "X-Version: 42\n"); !strings.HasSuffix(got.body, `  0 "" 42`) {
		t.Errorf("with version 1: %q", got.body)
	}
}

// A variant is bound to its key, has its versions of all services, and says nothing of others.
func TestShares_Experiment(t *testing.T) {
	f := startFront(t, Options{})
	f.versioned(t, "a", "41")
	f.versioned(t, "b", "42")
	f.shared(t, 3, `
services: {work: {versions: {"41": 1}}, deep: {versions: {"1": 1}}}
experiments: {list: {route: all, by: "cookie:s", variants: {a: 1, b: 1}, services: {b: {work: "42", deep: "2"}}}}`)
	c := f.dial(t)
	got := map[string]int{}
	for i := range 400 {
		cookie := fmt.Sprintf("Cookie: s=%d\n", i)
		body := c.ask("GET", "/", cookie).body
		if again := c.ask("GET", "/", cookie).body; again != body {
			t.Fatalf("%q, then %q", body, again)
		}
		got[body]++
	}
	a, b := got[`41 41 3 "a" 1`], got[`42 42 3 "b" 2`]
	if a+b != 400 || a < 150 || b < 150 {
		t.Errorf("got %v", got)
	}
	if body := c.ask("GET", "/", "").body; body != `41 41 3 "" 1` {
		t.Errorf("without a cookie %q", body)
	}
	if n := f.count(metrics.VariantAssigned, "list", "b"); n != uint64(2*b) {
		t.Errorf("%d given b, want %d", n, 2*b)
	}
}
