package registry

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"nanofront/internal/uri"
)

// MatchResult says how Router.Match ended.
type MatchResult uint8

const (
	// NotFound: no route matches host and path. 404.
	NotFound MatchResult = iota
	// Found: the route is the one that answers.
	Found
	// MethodNotAllowed: routes match host and path, but none the method.
	// 405, with Router.Allow as the header Allow (RFC 9110, 15.5.6).
	MethodNotAllowed
)

// Router is a compiled document. It is immutable: any number of goroutines
// may match at once.
//
// A lookup costs one map access for the exact path and one for each distinct
// length of prefix that the document has, whatever the number of routes:
//
//	host ──▶ table of that host ─▶ of "*.example.com" ─▶ … ─▶ of any host
//	                 │
//	                 ├─ exact["/api/users"]
//	                 └─ prefix, longest first: "/api/users/" "/api/users" "/api/" …
//
// The zero Router has no routes.
type Router struct {
	hosts  map[string]*table // by lower-case host
	wild   map[string]*table // by the domain after "*."
	any    *table
	routes []Route
}

// table holds the routes of one host.
type table struct {
	exact  map[string]cell
	prefix map[string]cell
	// lengths of the prefixes, longest first, each once. Only these are
	// probed: probing at each '/' of a path of 8 KiB of slashes would hash
	// 16 MiB for one request.
	lengths []int
}

// cell holds the routes of one host and path, those with methods first.
type cell []*Route

// Compile makes the document ready for matching, with all defaults filled in.
// The document must be valid (Validate); it isn't referred to afterwards. nil and the zero Routes
// make a Router that finds nothing.
func (r *Routes) Compile() *Router {
	if r == nil {
		r = &Routes{}
	}
	rt := &Router{
		hosts:  make(map[string]*table),
		wild:   make(map[string]*table),
		any:    newTable(),
		routes: slices.Clone(r.Routes),
	}
	for i := range rt.routes {
		route := &rt.routes[i]
		route.Match = route.Match.normal()
		route.Match.Methods = slices.Clone(route.Match.Methods)
		if route.Name == "" {
			route.Name = route.Match.String()
		}
		if route.Timeout == 0 {
			route.Timeout = Duration(DefaultTimeout)
		}
		if route.MaxBody == 0 {
			route.MaxBody = DefaultMaxBody
		}
		if len(route.Goals) == 0 {
			route.Goals = r.GoalsOf(route.Service)
		}
		rt.tableOf(route.Match.Host).add(route)
	}
	for _, t := range rt.tables() {
		t.finish()
	}
	return rt
}

func newTable() *table {
	return &table{exact: make(map[string]cell), prefix: make(map[string]cell)}
}

func (rt *Router) tableOf(host string) *table {
	if host == "" {
		return rt.any
	}
	m := rt.hosts
	if domain, ok := strings.CutPrefix(host, anyHostPrefix); ok {
		m, host = rt.wild, domain
	}
	t := m[host]
	if t == nil {
		t = newTable()
		m[host] = t
	}
	return t
}

func (rt *Router) tables() []*table {
	all := []*table{rt.any}
	for _, t := range rt.hosts {
		all = append(all, t)
	}
	for _, t := range rt.wild {
		all = append(all, t)
	}
	return all
}

func (t *table) add(r *Route) {
	if r.Match.Path != "" {
		t.exact[r.Match.Path] = append(t.exact[r.Match.Path], r)
		return
	}
	t.prefix[r.Match.Prefix] = append(t.prefix[r.Match.Prefix], r)
}

func (t *table) finish() {
	withMethodsFirst := func(a, b *Route) int {
		return min(len(b.Match.Methods), 1) - min(len(a.Match.Methods), 1)
	}
	for _, c := range t.exact {
		slices.SortStableFunc(c, withMethodsFirst)
	}
	for p, c := range t.prefix {
		slices.SortStableFunc(c, withMethodsFirst)
		t.lengths = append(t.lengths, len(p))
	}
	slices.Sort(t.lengths)
	t.lengths = slices.Compact(t.lengths)
	slices.Reverse(t.lengths)
}

// Routes lists the compiled routes in the document's order. The slice and
// what it points to must not be changed.
func (rt *Router) Routes() []Route { return rt.routes }

// ByPrecedence returns the routes in the order in which Match prefers them: of several
// that match a request, the first one here is taken. Routes that never match the same request
// are in the order of what they match.
func (r *Routes) ByPrecedence() []Route {
	list := slices.Clone(r.Routes)
	slices.SortStableFunc(list, func(a, b Route) int { return a.Match.normal().compare(b.Match.normal()) })
	return list
}

// compare is negative if m goes before o, both in their normal form.
func (m Match) compare(o Match) int {
	host, other := m.Host, o.Host
	return cmp.Or(
		cmp.Compare(hostRank(host), hostRank(other)),
		wildLonger(host, other),
		cmp.Compare(host, other),
		cmp.Compare(len(o.Path), 0)-cmp.Compare(len(m.Path), 0), // an exact path before a prefix
		cmp.Compare(m.Path, o.Path),
		cmp.Compare(len(o.Prefix), len(m.Prefix)),
		cmp.Compare(m.Prefix, o.Prefix),
		min(len(o.Methods), 1)-min(len(m.Methods), 1),
		lists(o.Methods, "HEAD")-lists(m.Methods, "HEAD"), // before a GET that includes it
	)
}

func lists(methods []string, method string) int {
	if slices.Contains(methods, method) {
		return 1
	}
	return 0
}

// hostRank is 0 for a host, 1 for a wildcard, 2 for any host.
func hostRank(host string) int {
	switch {
	case host == "":
		return 2
	case strings.HasPrefix(host, anyHostPrefix):
		return 1
	}
	return 0
}

// wildLonger puts the longer of two wildcards first.
func wildLonger(a, b string) int {
	if hostRank(a) != 1 {
		return 0
	}
	return cmp.Compare(len(b), len(a))
}

// Match finds the route for a request. path is in the form of uri.AppendPath.
// host is an authority, brought to the form of uri.AppendHost: port and final
// dot are ignored, case doesn't matter. The route belongs to
// the Router and must not be changed; it is nil unless the result is Found.
//
// Of several routes that match, the more specific one is taken: a host before
// a wildcard host (of these the longer) before any host, then an exact path
// before a prefix, then the longer prefix, then a route with methods before
// one without. A route whose methods don't include the request's doesn't
// match, so that a less specific one may; HEAD is included in GET, unless
// another route of the same place lists HEAD itself.
//
// Match doesn't allocate and keeps none of its arguments.
func (rt *Router) Match(method, host, path []byte) (*Route, MatchResult) {
	result := NotFound
	if len(rt.hosts)+len(rt.wild) > 0 {
		var buf hostBuffer
		if h := canonicalHost(&buf, host); len(h) > 0 {
			if t := rt.hosts[string(h)]; t != nil {
				if r := t.match(method, path, &result); r != nil {
					return r, Found
				}
			}
			for len(rt.wild) > 0 {
				dot := bytes.IndexByte(h, '.')
				if dot < 0 {
					break
				}
				h = h[dot+1:]
				if t := rt.wild[string(h)]; t != nil {
					if r := t.match(method, path, &result); r != nil {
						return r, Found
					}
				}
			}
		}
	}
	if r := rt.any.match(method, path, &result); r != nil {
		return r, Found
	}
	return nil, result
}

// match returns the table's best route. Where only the method doesn't fit, it
// sets result to MethodNotAllowed.
func (t *table) match(method, path []byte, result *MatchResult) *Route {
	if t == nil { // of the zero Router
		return nil
	}
	if c := t.exact[string(path)]; c != nil {
		if r := c.pick(method); r != nil {
			return r
		}
		*result = MethodNotAllowed
	}
	for _, n := range t.lengths {
		if !boundary(path, n) {
			continue
		}
		if c := t.prefix[string(path[:n])]; c != nil {
			if r := c.pick(method); r != nil {
				return r
			}
			*result = MethodNotAllowed
		}
	}
	return nil
}

// boundary reports whether a prefix of n bytes could end there: after a
// slash, before one, or at the end of the path.
func boundary(path []byte, n int) bool {
	return n <= len(path) && (n == len(path) || path[n-1] == '/' || path[n] == '/')
}

func (c cell) pick(method []byte) *Route {
	var get *Route
	head := string(method) == "HEAD"
	for _, r := range c {
		if len(r.Match.Methods) == 0 {
			// Sorted last: a route that lists GET goes before it.
			if get != nil {
				return get
			}
			return r
		}
		for _, m := range r.Match.Methods {
			if m == string(method) {
				return r
			}
			if head && m == "GET" {
				get = r
			}
		}
	}
	return get
}

// Allow appends to dst the value of the header Allow for a request that got
// MethodNotAllowed: the methods that host and path know, sorted, such as
// "GET, HEAD, PUT". It returns dst unchanged if no route with methods matches
// host and path. It allocates: refusals are rare.
func (rt *Router) Allow(dst, host, path []byte) []byte {
	methods := make(map[string]struct{})
	collect := func(t *table) {
		if t == nil {
			return
		}
		cells := []cell{t.exact[string(path)]}
		for _, n := range t.lengths {
			if boundary(path, n) {
				cells = append(cells, t.prefix[string(path[:n])])
			}
		}
		for _, c := range cells {
			for _, r := range c {
				for _, m := range r.Match.Methods {
					methods[m] = struct{}{}
					if m == "GET" {
						methods["HEAD"] = struct{}{}
					}
				}
			}
		}
	}
	var buf hostBuffer
	h := canonicalHost(&buf, host)
	collect(rt.hosts[string(h)])
	for dot := bytes.IndexByte(h, '.'); dot >= 0; dot = bytes.IndexByte(h, '.') {
		h = h[dot+1:]
		collect(rt.wild[string(h)])
	}
	collect(rt.any)
	for i, m := range sortedKeys(methods) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, m...)
	}
	return dst
}

// hostBuffer has room for a host in its normal form and what may stand around it.
type hostBuffer [uri.MaxRouteHost + 16]byte

// canonicalHost is the normal form of an authority's host, in buf. The result is empty for what is
// too long for one: it matches no host then.
func canonicalHost(buf *hostBuffer, host []byte) []byte {
	if len(host) > len(buf) {
		return nil
	}
	return uri.AppendHost(buf[:0], host)
}
