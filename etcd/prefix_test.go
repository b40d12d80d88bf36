package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nanofront/registry"
)

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"/nanofront/v1/":      "/nanofront/v1/",
		"/nanofront/v1":       "/nanofront/v1/",
		"/a":                  "/a/",
		"/Staging.2/é":        "",
		"/a b":                "",
		"/a//b":               "",
		"//":                  "",
		"/":                   "",
		"":                    "",
		"a/b":                 "",
		"/a\n":                "",
		"/a//":                "",
		"/" + long(maxPrefix): "",
	} {
		got, err := ParsePrefix(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParsePrefix(%q) = %q, %v, want %q", in, got, err, want)
		}
		if err != nil && (!errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), "--etcd-prefix")) {
			t.Errorf("%q: error %v doesn't name the flag", in, err)
		}
	}
	if _, err := Open(t.Context(), Options{Endpoints: []string{"http://a:1"}, Prefix: "x"}); !errors.Is(err, ErrOptions) {
		t.Errorf("Open takes the prefix x: %v", err)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// Two systems on one etcd see nothing of each other, also when one's prefix
// begins like the other's.
func TestPrefix_TwoSystemsDontMix(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	clients := map[string]*client{}
	for _, prefix := range []string{"", "/prod", "/prod2", "/prod/staging"} {
		clients[prefix] = open(t, Options{Endpoints: []string{s.opts.ClientURL}, Prefix: prefix})
	}
	watches := map[string]*watching{}
	name := func(prefix string) string { return "x" + strings.NewReplacer("/", "-").Replace(prefix) }
	for prefix, c := range clients {
		watches[prefix] = watch(t, c)
		ready(t, register(t, c, inst(name(prefix))))
		if written, err := c.SeedRoutes(t.Context(), routesTo(name(prefix))); err != nil || !written {
			t.Fatalf("%q: SeedRoutes: %v, %v", prefix, written, err)
		}
	}
	for prefix, c := range clients {
		watches[prefix].ids(t, name(prefix))
		watches[prefix].service(t, name(prefix))
		if doc, _, _, err := c.Routes(t.Context()); err != nil || doc.Routes[0].Service != name(prefix) {
			t.Errorf("%q: Routes: %+v, %v", prefix, doc, err)
		}
		if list, err := c.Instances(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%q: Instances: %v, %v", prefix, list, err)
		}
	}
}

func TestAnnounce_ProcessesAreListed(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := openOn(t, s)
	w := watch(t, c)
	front := func(name string) registry.Process {
		return registry.Process{Kind: registry.KindTerminator, Name: name, Host: "box", HTTP: "127.0.0.1:8080", Admin: "127.0.0.1:8081", Version: "v1", Started: time.Now().UTC()}
	}
	names := func() string {
		list, err := c.Processes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range list {
			out = append(out, f.Name)
		}
		return strings.Join(out, " ")
	}
	if got := names(); got != "" {
		t.Errorf("processes %q before there are any", got)
	}
	b, err := c.Announce(t.Context(), front("b"))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, b)
	a, err := openOn(t, s).Announce(t.Context(), front("a"))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, a)
	if got := names(); got != "a b" {
		t.Errorf("processes %q, want a and b", got)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(); got != "a" {
		t.Errorf("processes %q after b's end, want a", got)
	}
	if _, err := c.Announce(t.Context(), registry.Process{Kind: registry.KindTerminator, Name: "No"}); !errors.Is(err, registry.ErrInvalidProcess) {
		t.Errorf("Announce of a bad one: %v", err)
	}
	// Nobody who looks for instances is bothered with them.
	if s := w.last(); len(s.Instances) != 0 || c.log.String() != "" && contains(c.log, "ignored") {
		t.Errorf("a watch sees %+v; log %s", s, c.log)
	}
}
