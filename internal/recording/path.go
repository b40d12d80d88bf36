package recording

import (
	"net/url"
	"strings"
)

// Paths says which segments of a path are replaced. The names are part of the format.
type Paths string

// The ways.
const (
	PathsKeep   Paths = "keep"   // none
	PathsTokens Paths = "tokens" // those that look like tokens, keys, addresses or long numbers
	PathsIDs    Paths = "ids"    // those, and all with a digit
	PathsAll    Paths = "all"    // all
)

// AllPaths are all ways.
func AllPaths() []Paths { return []Paths{PathsKeep, PathsTokens, PathsIDs, PathsAll} }

// Path is a path as it is recorded. What was percent-encoded is judged, and hashed, as it means.
func (r *Redactor) Path(path string) string {
	if r.o.Paths == PathsKeep {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "" {
			continue
		}
		plain, err := url.PathUnescape(s)
		if err != nil {
			plain = s
		}
		if r.hides(plain) {
			segments[i] = r.Value(plain)
		}
	}
	return strings.Join(segments, "/")
}

func (r *Redactor) hides(segment string) bool {
	switch r.o.Paths {
	case PathsAll:
		return true
	case PathsIDs:
		return strings.ContainsAny(segment, "0123456789") || isToken(segment)
	default:
		return isToken(segment)
	}
}

// Host is the authority of a request as it is recorded: routes go by it, so it is kept unless it is
// no host.
func (r *Redactor) Host(host string) string {
	if host == "" || isPlain(host, 255, "-.:[]_*") {
		return host
	}
	return r.Value(host)
}

// Method is a method as it is recorded.
func (r *Redactor) Method(method string) string {
	if isPlain(method, 20, "-_") && !isToken(method) && strings.ToUpper(method) == method {
		return method
	}
	return r.Value(method)
}
