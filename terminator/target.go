package terminator

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Why a request target was refused; each means 400. The guard has already refused the raw bytes that
// errTargetByte is about, unless the target comes from somewhere else.
var (
	errTargetForm   = errors.New("terminator: request target is neither a path nor an http or https URL")
	errTargetByte   = errors.New("terminator: request target has a byte that no URL may have")
	errTargetEscape = errors.New("terminator: request target has an invalid percent-encoding")
	errTargetRoot   = errors.New("terminator: request target climbs above the root with \"..\"")
)

// target is a request target in the one form from which a route is chosen and which is sent on.
//
// path begins with '/' and has no dot segments. Of its percent-encodings, those of unreserved characters are decoded,
// the others have upper-case digits; what they decode to is valid UTF-8 without control characters. An encoded slash or
// backslash stays encoded and separates nothing. Empty segments ("//") stay, as removing them would change which
// resource is meant. The only path without a '/' is "*", of the asterisk-form.
//
// query is what follows the first '?', byte for byte; it may hold any percent-encoding, valid or not. hasQuery
// tells an empty query ("/a?") from none.
type target struct {
	path     []byte
	query    []byte
	hasQuery bool
}

// targetNormalize brings a raw request target (origin-form, absolute-form or "*") to that form. Most
// targets are in it already, and their path is a part of raw; of others the path is built in scratch, which is
// returned, grown if it had to be, for the next call. So the result lives no longer than raw and scratch.
// Normalising twice gives the same as normalising once.
func targetNormalize(raw, scratch []byte) (target, []byte, error) {
	var t target
	if len(raw) == 0 {
		return t, scratch, errTargetForm
	}
	if raw[0] != '/' {
		if len(raw) == 1 && raw[0] == '*' {
			t.path = raw
			return t, scratch, nil
		}
		authority, rest, ok := targetAbsolute(raw)
		if !ok || len(authority) == 0 {
			return t, scratch, errTargetForm
		}
		if len(rest) == 0 || rest[0] == '?' {
			// RFC 9112 section 3.2.1: an empty path is sent as "/". The query alone has still to be looked at.
			scratch = append(append(scratch[:0], '/'), rest...)
			t, _, err := targetNormalize(scratch, nil)
			return t, scratch, err
		}
		raw = rest
	}
	// The fast path ends at a '?', which is fine, or at what has to be looked at more closely.
	i, prev := 0, byte(0)
	for i < len(raw) {
		c := raw[i]
		if guardClass[c]&guardPath == 0 || (c == '.' && prev == '/') {
			break
		}
		prev = c
		i++
	}
	if i == len(raw) {
		t.path = raw
		return t, scratch, nil
	}
	if raw[i] == '?' {
		t.path, t.query, t.hasQuery = raw[:i], raw[i+1:], true
	} else {
		path, query, has := bytes.Cut(raw, []byte{'?'})
		var err error
		if scratch, err = targetPath(path, scratch[:0]); err != nil {
			return target{}, scratch, err
		}
		t.path, t.query, t.hasQuery = scratch, query, has
	}
	for _, c := range t.query {
		if guardClass[c]&guardTarget == 0 {
			return target{}, scratch, errTargetByte
		}
	}
	return t, scratch, nil
}

// targetAbsolute splits an absolute-form target of scheme http or https into its authority, which isn't judged, and the
// rest, which is empty or begins with '/' or '?'.
func targetAbsolute(raw []byte) (authority, rest []byte, ok bool) {
	switch {
	case len(raw) >= 7 && guardFold(raw[:7], "http://"):
		raw = raw[7:]
	case len(raw) >= 8 && guardFold(raw[:8], "https://"):
		raw = raw[8:]
	default:
		return nil, nil, false
	}
	i := 0
	for i < len(raw) && raw[i] != '/' && raw[i] != '?' {
		i++
	}
	return raw[:i], raw[i:], true
}

const targetHex = "0123456789ABCDEF"

// targetPath appends the normal form of path, which begins with '/', to dst, which is empty.
func targetPath(path, dst []byte) ([]byte, error) {
	dst = append(dst, '/')
	segment := 1      // where in dst the segment being written begins, just after a '/'
	var multi [4]byte // bytes of a UTF-8 sequence that came percent-encoded
	pending, want := 0, 0
	for i := 1; i < len(path); i++ {
		c := path[i]
		encoded := c == '%'
		if encoded {
			if i+2 >= len(path) || guardClass[path[i+1]]&guardClass[path[i+2]]&guardHex == 0 {
				return dst, errTargetEscape
			}
			c = guardUnhex(path[i+1])<<4 | guardUnhex(path[i+2])
			i += 2
		}
		if want > 0 || c >= utf8.RuneSelf {
			// Only a whole and shortest UTF-8 sequence passes: an overlong %C0%AF is a '/' to a careless decoder.
			if !encoded {
				if want > 0 {
					return dst, errTargetEscape
				}
				return dst, errTargetByte
			}
			if want == 0 {
				if want = targetUTF8Len(c); want == 0 {
					return dst, errTargetEscape
				}
			}
			multi[pending] = c
			pending++
			if pending == want {
				if !utf8.Valid(multi[:want]) {
					return dst, errTargetEscape
				}
				pending, want = 0, 0
			}
			dst = append(dst, '%', targetHex[c>>4], targetHex[c&0x0f])
			continue
		}
		switch {
		case encoded && (c < 0x20 || c == 0x7f):
			return dst, errTargetEscape
		case c == '/' && !encoded:
			var err error
			if dst, err = targetSegment(dst, segment, true); err != nil {
				return dst, err
			}
			segment = len(dst)
		case guardClass[c]&guardUnreserved != 0, !encoded && guardClass[c]&guardPath != 0:
			dst = append(dst, c)
		case !encoded && guardClass[c]&guardTarget == 0:
			return dst, errTargetByte
		default:
			// What was encoded stays so, and what no grammar allows raw ('"', '<', '^' …, sent by some clients)
			// gets the one spelling that a route can be written for.
			dst = append(dst, '%', targetHex[c>>4], targetHex[c&0x0f])
		}
	}
	if want > 0 {
		return dst, errTargetEscape
	}
	return targetSegment(dst, segment, false)
}

// targetSegment ends the segment that begins at dst[start], with a '/' if more follows. It is the removal of
// dot segments (RFC 3986 section 5.2.4) done at once on the decoded segment, so that %2e counts as the dot that it is.
func targetSegment(dst []byte, start int, more bool) ([]byte, error) {
	switch string(dst[start:]) {
	case ".":
		return dst[:start], nil
	case "..":
		if start == 1 {
			return dst, errTargetRoot
		}
		return dst[:bytes.LastIndexByte(dst[:start-1], '/')+1], nil
	}
	if more {
		dst = append(dst, '/')
	}
	return dst, nil
}

// targetUTF8Len is the length of a UTF-8 sequence by its first byte, 0 if none begins so.
func targetUTF8Len(c byte) int {
	switch {
	case c >= 0xc2 && c <= 0xdf:
		return 2
	case c >= 0xe0 && c <= 0xef:
		return 3
	case c >= 0xf0 && c <= 0xf4:
		return 4
	}
	return 0
}
