package http1

import (
	"bytes"
	"errors"

	"nanofront/internal/uri"
)

// ErrTargetForm is why a target was refused that is neither a path nor an http or https URL. The
// others are those of package uri.
var ErrTargetForm = errors.New("http1: request target is neither a path nor an http or https URL")

// Target is a request target in the one form from which a route is chosen and which is sent on.
//
// Path begins with '/' and has no dot segments. Of its percent-encodings, those of unreserved
// characters are decoded, the others have upper-case digits; what they decode to is valid UTF-8
// without control characters. An encoded slash or backslash stays encoded and separates nothing.
// Empty segments ("//") stay, as removing them would change which resource is meant. The only path
// without a '/' is "*", of the asterisk-form.
//
// Query is what follows the first '?', byte for byte; it may hold any percent-encoding, valid or
// not. HasQuery tells an empty query ("/a?") from none.
//
// Authority is an absolute-form target's, without an empty port; it counts more than the Host field
// (RFC 9112 section 3.2.2). Server says that the target is that of OPTIONS for the server itself:
// "*", or an absolute-form without path and query (section 3.2.4), which for other methods is that
// of "/".
type Target struct {
	Path      []byte
	Query     []byte
	HasQuery  bool
	Authority []byte
	Server    bool
}

var root = []byte{'/'}

// NormalizeTarget brings a raw request target (origin-form, absolute-form or "*") to that form.
// Most are in it already, as the scanner notes ([Head]), and don't come here. The path is built in
// scratch, which is returned, grown if it had to be, for the next call. So the result lives no
// longer than raw and scratch. Normalising twice gives the same as normalising once.
func NormalizeTarget(raw, scratch []byte) (Target, []byte, error) {
	var t Target
	if len(raw) == 0 {
		return t, scratch, ErrTargetForm
	}
	if raw[0] != '/' {
		if len(raw) == 1 && raw[0] == '*' {
			t.Path, t.Server = raw, true
			return t, scratch, nil
		}
		_, authority, rest, ok := splitAbsolute(raw)
		if !ok || len(authority) == 0 {
			return t, scratch, ErrTargetForm
		}
		t.Authority, t.Server, raw = bytes.TrimSuffix(authority, []byte{':'}), len(rest) == 0, rest
	}
	path, query, has := bytes.Cut(raw, []byte{'?'})
	if len(path) == 0 {
		path = root // RFC 9112 section 3.2.1: an empty path is sent as "/"
	}
	var err error
	if scratch, err = uri.AppendPath(scratch[:0], path); err != nil {
		return Target{}, scratch, err
	}
	t.Path, t.Query, t.HasQuery = scratch, query, has
	for _, c := range t.Query {
		if !uri.IsQuery(c) {
			return Target{}, scratch, uri.ErrByte
		}
	}
	return t, scratch, nil
}

// splitAbsolute splits an absolute-form target of scheme http or https into its authority, which
// isn't judged, and the rest, which is empty or begins with '/' or '?'.
func splitAbsolute(raw []byte) (https bool, authority, rest []byte, ok bool) {
	switch {
	case len(raw) >= 7 && EqualLower(raw[:7], "http://"):
		raw = raw[7:]
	case len(raw) >= 8 && EqualLower(raw[:8], "https://"):
		raw, https = raw[8:], true
	default:
		return false, nil, nil, false
	}
	i := 0
	for i < len(raw) && raw[i] != '/' && raw[i] != '?' {
		i++
	}
	return https, raw[:i], raw[i:], true
}
