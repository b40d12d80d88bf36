package uri

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Why a path or query was refused.
var (
	ErrByte   = errors.New("uri: a byte that no URL may have")
	ErrEscape = errors.New("uri: an invalid percent-encoding")
	ErrRoot   = errors.New("uri: a path that climbs above the root with \"..\"")
)

const upperHex = "0123456789ABCDEF"

// AppendPath appends the normal form of path, which begins with '/', to dst, which is empty.
// Requests and routes have theirs by this one function: dot segments are removed, percent-encodings
// of unreserved bytes decoded, the others written with upper-case digits, and what no path may have
// raw is encoded. Encoded control characters, and what isn't UTF-8, are refused.
func AppendPath(dst, path []byte) ([]byte, error) {
	dst = append(dst, '/')
	segment := 1      // where in dst the segment being written begins, just after a '/'
	var multi [4]byte // bytes of a UTF-8 sequence that came percent-encoded
	pending, want := 0, 0
	for i := 1; i < len(path); i++ {
		c := path[i]
		encoded := c == '%'
		if encoded {
			if i+2 >= len(path) || !IsHex(path[i+1]) || !IsHex(path[i+2]) {
				return dst, ErrEscape
			}
			c = Unhex(path[i+1])<<4 | Unhex(path[i+2])
			i += 2
		}
		if want > 0 || c >= utf8.RuneSelf {
			// Only a whole and shortest UTF-8 sequence passes: an overlong %C0%AF is a '/' to a
			// careless decoder.
			if !encoded {
				if want > 0 {
					return dst, ErrEscape
				}
				return dst, ErrByte
			}
			if want == 0 {
				if want = utf8Len(c); want == 0 {
					return dst, ErrEscape
				}
			}
			multi[pending] = c
			pending++
			if pending == want {
				if !utf8.Valid(multi[:want]) {
					return dst, ErrEscape
				}
				pending, want = 0, 0
			}
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&0x0f])
			continue
		}
		switch {
		case encoded && (c < 0x20 || c == 0x7f):
			return dst, ErrEscape
		case c == '/' && !encoded:
			var err error
			if dst, err = endSegment(dst, segment, true); err != nil {
				return dst, err
			}
			segment = len(dst)
		case IsUnreserved(c), !encoded && IsPath(c):
			dst = append(dst, c)
		case !encoded && !IsTarget(c):
			return dst, ErrByte
		default:
			// What was encoded stays so, and what no grammar allows raw ('"', '<', '^' …, sent by
			// some clients) gets the one spelling that a route can be written for.
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&0x0f])
		}
	}
	if want > 0 {
		return dst, ErrEscape
	}
	return endSegment(dst, segment, false)
}

// endSegment ends the segment that begins at dst[start], with a '/' if more follows. It is the
// removal of dot segments (RFC 3986 section 5.2.4) done at once on the decoded segment, so that %2e
// counts as the dot that it is.
func endSegment(dst []byte, start int, more bool) ([]byte, error) {
	switch string(dst[start:]) {
	case ".":
		return dst[:start], nil
	case "..":
		if start == 1 {
			return dst, ErrRoot
		}
		return dst[:bytes.LastIndexByte(dst[:start-1], '/')+1], nil
	}
	if more {
		dst = append(dst, '/')
	}
	return dst, nil
}

// utf8Len is the length of a UTF-8 sequence by its first byte, 0 if none begins so.
func utf8Len(c byte) int {
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
