package trace

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// The header fields of W3C Trace Context, and of W3C Baggage.
var (
	FieldParent  = []byte("traceparent")
	FieldState   = []byte("tracestate")
	FieldBaggage = []byte("baggage")
)

// ParentSize is the length of traceparent, version 00.
const ParentSize = 55

// Parent is what traceparent says: the trace, the span of whoever sent it, and whether that is
// sampled.
type Parent struct {
	Trace   ID
	Span    SpanID
	Sampled bool
}

// IsZero reports whether there is none.
func (p *Parent) IsZero() bool { return p.Trace == ID{} }

// ParseParent reads the value of traceparent. Of a version that isn't known it reads what all
// versions to come will have, as W3C Trace Context demands. It allocates nothing.
func ParseParent(b []byte) (p Parent, ok bool) {
	var version, flags [1]byte
	if len(b) < ParentSize || b[2] != '-' || b[35] != '-' || b[52] != '-' ||
		!unhex(version[:], b[:2]) || !unhex(p.Trace[:], b[3:35]) || !unhex(p.Span[:], b[36:52]) || !unhex(flags[:], b[53:55]) {
		return Parent{}, false
	}
	switch {
	case version[0] == 0xff, p.Trace == ID{}, p.Span == SpanID{}:
		return Parent{}, false
	case len(b) > ParentSize && (version[0] == 0 || b[ParentSize] != '-'):
		return Parent{}, false
	}
	p.Sampled = flags[0]&1 != 0
	return p, true
}

// unhex decodes digits in lower case only.
func unhex(dst, src []byte) bool {
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

// AppendTo appends the value of traceparent, in version 00.
func (p *Parent) AppendTo(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, p.Trace[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, p.Span[:])
	if p.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}

const (
	// maxMembers is the most that tracestate may have.
	maxMembers = 32
	// maxState is how many bytes of it are passed on.
	maxState = 512
	// largeMember is the length of one that is left out first if it is too long.
	largeMember = 128
)

// AppendState appends what is to be passed on of the fields tracestate, which are one list. It
// appends nothing if they are not in order: more than 32 members, a key or value with what doesn't
// belong there, a key that occurs twice. What is longer than 512 bytes is cut, members of more than
// 128 bytes first, then those at the end.
func AppendState(dst []byte, fields [][]byte) []byte {
	if len(fields) == 0 {
		return dst
	}
	var space [maxMembers][]byte
	members := space[:0]
	size := 0
	for _, f := range fields {
		for m := range bytes.SplitSeq(f, []byte{','}) {
			if m = bytes.Trim(m, " \t"); len(m) == 0 {
				continue // allowed
			}
			if len(members) == maxMembers || !validMember(m) {
				return dst
			}
			for _, other := range members {
				if bytes.Equal(keyOf(other), keyOf(m)) {
					return dst
				}
			}
			members = append(members, m)
			size += len(m) + 1
		}
	}
	for i := len(members) - 1; i >= 0 && size > maxState+1; i-- {
		if len(members[i]) > largeMember {
			size -= len(members[i]) + 1
			members = slices.Delete(members, i, i+1)
		}
	}
	for size > maxState+1 {
		size -= len(members[len(members)-1]) + 1
		members = members[:len(members)-1]
	}
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m...)
	}
	return dst
}

func keyOf(member []byte) []byte {
	key, _, _ := bytes.Cut(member, []byte{'='})
	return key
}

// validMember reports whether m is key=value by the grammar of level 2, which that of level 1 is a
// part of.
func validMember(m []byte) bool {
	key, value, ok := bytes.Cut(m, []byte{'='})
	if !ok || len(key) == 0 || len(key) > 256 || len(value) == 0 || len(value) > 256 {
		return false
	}
	for i, c := range key {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	for _, c := range value {
		if c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true // it doesn't end with a space: it is trimmed
}
