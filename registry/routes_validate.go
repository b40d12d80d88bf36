package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nanofront/internal/uri"
)

const (
	pathRule   = "an absolute path of at most 1024 printable ASCII bytes without \"//\", dot segments, '?', '#' or '\\'"
	hostRule   = "a host name, or an address, in brackets if it is IPv6, without port, or \"*.\" and a domain"
	methodRule = "an upper-case method name such as GET, each once; not CONNECT or TRACE, which are always refused"

	admissionRule = "own, or no such field for the service's limit"
	hedgeRule     = "on or off, or no such field for GET, HEAD and OPTIONS"
	priorityRule  = "health, high, normal or low"
)

// Validate checks the whole document: every field's range, names that are
// used twice, and routes that match the same requests. It reports all that
// is wrong (at most 20 faults), one line each, under an error that wraps
// ErrInvalidRoutes.
func (r *Routes) Validate() error {
	var p problems
	r.check(&p)
	return p.err(ErrInvalidRoutes)
}

func (r *Routes) check(p *problems) {
	if r == nil {
		p.add(mistake{text: "there is no document"})
		return
	}
	if r.Version != RoutesVersion && r.Version != RoutesVersion2 {
		p.at("", "version", "%d: want %s", r.Version, versionsRule())
	}
	if len(r.Routes) == 0 {
		p.at("", "routes", "none: want 1 to %d routes", MaxRoutes)
	}
	if len(r.Routes) > MaxRoutes {
		p.at("", "routes", "%d routes: want at most %d", len(r.Routes), MaxRoutes)
		return
	}
	checkGoals(p, "", r.Goals)
	r.checkRules(p)
	if r.Version == RoutesVersion && (len(r.Experiments) > 0 || r.Ask != nil) {
		p.at("", "version", "1: experiments and ask_version need version %d", RoutesVersion2)
	}
	r.checkAsk(p)
	r.checkExperiments(p)
	r.checkDivided(p)
	names := make(map[string]int, len(r.Routes))
	owner := make(map[string]int, len(r.Routes))
	for i := range r.Routes {
		rt := &r.Routes[i]
		rt.check(p, i)
		if rt.Name != "" {
			if j, ok := names[rt.Name]; ok {
				p.at(routeLabel(i, rt.Name), "name", "%q is also the name of routes[%d]%s: want each name once", clip(rt.Name), j, p.onLine(routeLabel(j, rt.Name), "name"))
			} else {
				names[rt.Name] = i
			}
		}
		r.checkClash(p, i, owner)
	}
}

// checkClash finds routes between which a request couldn't decide: the same
// host and path, and a method that both list (or no methods on both).
func (r *Routes) checkClash(p *problems, i int, owner map[string]int) {
	rt := &r.Routes[i]
	m := &rt.Match
	normal := m.normal()
	place := normal.Host + "|" + normal.Path + "|" + normal.Prefix + "|"
	methods := m.Methods
	if len(methods) == 0 {
		methods = []string{""}
	}
	for _, method := range methods {
		key := place + method
		j, taken := owner[key]
		if !taken {
			owner[key] = i
			continue
		}
		if j == i {
			continue // a method listed twice, reported as such
		}
		what := m.String()
		if method != "" {
			what = method + " of " + what
		}
		other := routeLabel(j, r.Routes[j].Name)
		p.at(routeLabel(i, rt.Name), "match", "%q is already matched by %s%s: want each match once", clip(what), other, p.onLine(other, "match"))
		return
	}
}

// check reports what is wrong with the route itself, which is the i-th.
func (rt *Route) check(p *problems, i int) {
	bad := func(field, value, want string) {
		p.at(routeLabel(i, rt.Name), field, "%s: want %s", value, want)
	}
	if rt.Name != "" && !validRouteName(rt.Name) {
		bad("name", quote(rt.Name), "1 to 63 letters, digits, '.', '_' and '-'")
	}
	if !validName(rt.Service) {
		bad("service", quote(rt.Service), nameRule)
	}
	if t := rt.Timeout.Std(); t != 0 && (t < MinTimeout || t > MaxTimeout) {
		bad("timeout", quote(rt.Timeout.String()), timeoutRule())
	}
	if rt.MaxBody < 0 || rt.MaxBody > MaxBodyLimit {
		bad("max_body", fmt.Sprint(rt.MaxBody), bodyRule())
	}
	if rt.Hash != "" {
		if _, err := ParseHash(rt.Hash); err != nil {
			p.at(routeLabel(i, rt.Name), "hash", "%v", err)
		}
	}
	if rt.Admission != "" && rt.Admission != AdmissionOwn {
		bad("admission", quote(rt.Admission), admissionRule)
	}
	switch rt.Priority {
	case "", PriorityHealth, PriorityHigh, PriorityNormal, PriorityLow:
	default:
		bad("priority", quote(rt.Priority), priorityRule)
	}
	if rt.Hedge != "" && rt.Hedge != HedgeOn && rt.Hedge != HedgeOff {
		bad("hedge", quote(rt.Hedge), hedgeRule)
	}
	checkGoals(p, routeLabel(i, rt.Name), rt.Goals)
	m := &rt.Match
	switch {
	case m.Path == "" && m.Prefix == "":
		bad("match", "neither path nor prefix", "exactly one of them")
	case m.Path != "" && m.Prefix != "":
		bad("match", "both path and prefix", "exactly one of them")
	case m.Path != "" && !uri.ValidRoutePath(m.Path):
		bad("match.path", quote(m.Path), pathRule+such(m.Path))
	case m.Prefix != "" && !uri.ValidRoutePath(m.Prefix):
		bad("match.prefix", quote(m.Prefix), pathRule+such(m.Prefix))
	}
	if m.Host != "" && !uri.ValidRouteHost(m.Host) {
		bad("match.host", quote(m.Host), hostRule)
	}
	if len(m.Methods) > maxMethods {
		bad("match.methods", fmt.Sprintf("%d methods", len(m.Methods)), fmt.Sprintf("at most %d", maxMethods))
		return
	}
	for k, method := range m.Methods {
		if !validMethod(method) || slices.Contains(m.Methods[:k], method) {
			bad("match.methods", quote(method), methodRule)
		}
	}
}

// routeLabel names a route in an error: its place, and its name if it has
// one.
func routeLabel(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("routes[%d]", i)
	}
	return fmt.Sprintf("routes[%d] %q", i, clip(name))
}

// such is how a path that isn't valid should be written, if that can be told.
func such(path string) string {
	if s := uri.Spelling(path); s != "" {
		return ", such as " + quote(s)
	}
	return ""
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func timeoutRule() string {
	return fmt.Sprintf("%v to %v", Duration(MinTimeout), Duration(MaxTimeout))
}

func bodyRule() string { return fmt.Sprintf("1 to %d bytes", MaxBodyLimit) }

func validRouteName(s string) bool {
	if len(s) > maxNameLen {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isUpper(c) && !isDigit(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s != ""
}

// normal is m with host and path in the form that requests are brought to. What isn't valid stays
// as it is.
func (m Match) normal() Match {
	m.Path, m.Prefix = uri.RoutePath(m.Path), uri.RoutePath(m.Prefix)
	domain, below := strings.CutPrefix(m.Host, anyHostPrefix)
	m.Host = string(uri.AppendHost(nil, []byte(domain)))
	if below {
		m.Host = anyHostPrefix + m.Host
	}
	return m
}

// validMethod wants RFC 9110's token, without lower-case letters: methods
// are case-sensitive, and a lower-case one in a document is a mistake.
func validMethod(s string) bool {
	if s == "" || len(s) > maxMethodLen || s == "CONNECT" || s == "TRACE" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isUpper(c) && !isDigit(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

func sortedKeys(m map[string]struct{}) []string { return slices.Sorted(maps.Keys(m)) }

// validTimeout is the range check for a timeout that was written out, where
// zero isn't "the default" but a mistake.
func validTimeout(d time.Duration) bool { return d >= MinTimeout && d <= MaxTimeout }
