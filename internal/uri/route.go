package uri

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a route may match.
const (
	maxRoutePath  = 1024
	MaxRouteHost  = 253
	anyHostPrefix = "*."
)

// RoutePath is a route's path in the form of AppendPath. What isn't valid stays as it is.
func RoutePath(s string) string {
	if s == "" || s[0] != '/' {
		return s
	}
	n, err := AppendPath(nil, []byte(s))
	if err != nil {
		return s
	}
	return string(n)
}

// ValidRoutePath refuses what a request's path never has in its normal form, and what is more likely
// a mistake than meant: such a route would look right and match nothing. All other spellings are
// brought to that form.
func ValidRoutePath(s string) bool {
	if s == "" || s[0] != '/' || len(s) > maxRoutePath || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == '?' || !IsPath(c) && !IsTarget(c) {
			return false
		}
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg = dots.Replace(seg); seg == "." || seg == ".." {
			return false
		}
	}
	_, err := AppendPath(nil, []byte(s))
	return err == nil
}

var dots = strings.NewReplacer("%2e", ".", "%2E", ".")

// Spelling says how a path that isn't valid should be written; empty if that can't be told.
func Spelling(s string) string {
	if len(s) > maxRoutePath || !utf8.ValidString(s) {
		return ""
	}
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	b := []byte{'/'}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/' && b[len(b)-1] == '/':
		case c == '%' || c == '/' || IsPath(c):
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	n, err := AppendPath(nil, b)
	if err != nil || !ValidRoutePath(string(n)) {
		return ""
	}
	return string(n)
}

// ValidRouteHost wants a host name or address without a port, or "*." and a domain.
func ValidRouteHost(s string) bool {
	if rest, ok := strings.CutPrefix(s, anyHostPrefix); ok {
		s = rest
		// "*.1" or "*.::1" mean nothing: an address has nothing below it.
		if strings.HasPrefix(s, "[") {
			return false
		}
	}
	if in, ok := strings.CutPrefix(s, "["); ok {
		in, ok = strings.CutSuffix(in, "]")
		return ok && ValidIPv6([]byte(in))
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > MaxRouteHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i]; class[c]&regName == 0 || c == '~' {
				return false
			}
		}
	}
	return true
}
