package requests

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"nanofront/handlers"
	"nanofront/toggles"
)

// loadTimeout bounds how long a handler's start waits for toggles: with a file, those are used
// after a second.
const loadTimeout = 3 * time.Second

// Toggles are a Store for a handler's requests.
type Toggles struct {
	*toggles.Store
	service string
	key     key
}

// Has reports whether there are toggles: a static table has none.
func Has(o handlers.Options) bool {
	_, ok := o.Discovery.(toggles.Source)
	return ok
}

// Shows is what a role has to show of toggles at its admin port, which nanofront toggle set --wait
// looks at.
func (t *Toggles) Shows() map[string]http.Handler {
	return map[string]http.Handler{toggles.StatusPath: t.Store}
}

// Open opens what the handler's options name: their Discovery, which must be etcd's, LastKnown,
// Logger and Metrics. by says what of a request chooses in shares: cookie:NAME, header:NAME or
// client; "" leaves it to rules to say.
func Open(o handlers.Options, by string) (*Toggles, error) {
	source, ok := o.Discovery.(toggles.Source)
	if !ok {
		return nil, fmt.Errorf("toggles: %T has none: they are kept in etcd", o.Discovery)
	}
	k, err := parseKey(by)
	if err != nil {
		return nil, err
	}
	prefix := ""
	if p, ok := o.Discovery.(interface{ Prefix() string }); ok {
		prefix = p.Prefix()
	}
	store, err := toggles.Open(toggles.Options{Source: source, File: o.LastKnown, Prefix: prefix, Logger: o.Logger, Metrics: o.Metrics})
	if err != nil {
		return nil, err
	}
	return &Toggles{Store: store, service: o.Service, key: k}, nil
}

// Load waits until toggles are known, for some seconds at most, and reports whether they are. To be
// called before the first request: one that comes earlier would get its handler's defaults, as if
// all toggles had been changed.
func (t *Toggles) Load(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	return t.Loaded(ctx) == nil
}

// For is the toggles of a request, until that is answered. If the request has been faster than the
// change of toggles that it was decided on, it waits for that, for 100 ms at most.
func (t *Toggles) For(ctx context.Context, req *handlers.Request) *toggles.View {
	return t.View(ctx, req.Revision(), &request{req: req, of: t})
}

// Now is For without waiting, for handlers that must not.
func (t *Toggles) Now(req *handlers.Request) *toggles.View {
	return t.ViewNow(req.Revision(), &request{req: req, of: t})
}

// Handler is h with the toggles of each request in its context: toggles.From has them.
func (t *Toggles) Handler(h handlers.Handler) handlers.Handler {
	return handlers.HandlerFunc(func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
		return h.Serve(toggles.With(ctx, t.For(ctx, req)), req, resp)
	})
}

// key is what of a request chooses in shares.
type key struct{ kind, name string }

func parseKey(by string) (key, error) {
	kind, name, named := strings.Cut(by, ":")
	switch {
	case by == "", by == "client":
		return key{kind: by}, nil
	case kind == "cookie" && name != "", kind == "header" && named && name != "" && name == strings.ToLower(name):
		return key{kind, name}, nil
	}
	return key{}, fmt.Errorf("toggles: key %q: want cookie:NAME, header:NAME with the name in lower case, or client", by)
}

// request is a request as rules ask about it. What nobody asks about costs nothing.
type request struct {
	req  *handlers.Request
	of   *Toggles
	once sync.Once
	made map[string]any
}

// Attributes implements toggles.Context.
func (r *request) Attributes() map[string]any {
	r.once.Do(func() { r.made = r.attributes() })
	return r.made
}

func (r *request) attributes() map[string]any {
	req := r.req
	header, cookies := make(map[string]any, len(req.Header)), make(map[string]any)
	variants := make(map[string]any)
	req.Decision.EachVariant(func(experiment, variant []byte) { variants[string(experiment)] = string(variant) })
	for i := range req.Header {
		name := string(req.Header[i].Name)
		if _, had := header[name]; !had {
			header[name] = string(req.Header[i].Value)
		}
		if name == "cookie" {
			addCookies(cookies, req.Header[i].Value)
		}
	}
	m := map[string]any{
		"client": string(req.Client), "method": string(req.Method), "scheme": string(req.Scheme), "host": string(req.Host),
		"path": string(req.Path), "query": string(req.Query), "header": header, "cookie": cookies,
		"service": r.of.service, "version": string(req.Version), "experiment": variants,
	}
	var who any
	switch r.of.key.kind {
	case "client":
		who = m["client"]
	case "header":
		who = header[r.of.key.name]
	case "cookie":
		who = cookies[r.of.key.name]
	}
	if who != nil && who != "" {
		m["targetingKey"] = who
	}
	return m
}

// addCookies adds the cookies of a field (RFC 6265, section 4.2.1). Of two of one name the first
// counts.
func addCookies(to map[string]any, field []byte) {
	for len(field) > 0 {
		var pair []byte
		pair, field, _ = bytes.Cut(field, []byte(";"))
		name, value, ok := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		if !ok || len(name) == 0 {
			continue
		}
		if _, had := to[string(name)]; !had {
			to[string(name)] = string(bytes.Trim(value, `"`))
		}
	}
}
