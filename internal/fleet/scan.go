package fleet

import (
	"errors"
	"strconv"
)

// errJSON tells that something isn't the JSON that was expected.
var errJSON = errors.New("fleet: not the JSON that was expected")

// maxDepth bounds how deep values are nested that are skipped.
const maxDepth = 32

// scanner reads JSON front to back without building anything: a report of a busy front is 100 KB a
// second, of which most is numbers that go straight into cells. It is lenient about what it skips,
// and fails rather than guess about what it reads.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

func (s *scanner) fail() { s.bad, s.i = true, len(s.b) }

// peek is the next byte that isn't white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// object calls f for each member; f must read its value.
func (s *scanner) object(f func(key []byte)) {
	if s.null() {
		return
	}
	if !s.take('{') {
		s.fail()
		return
	}
	if s.take('}') {
		return
	}
	for !s.bad {
		key := s.text()
		if !s.take(':') {
			s.fail()
			return
		}
		f(key)
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			s.fail()
		}
		return
	}
}

// array calls f for each element; f must read it.
func (s *scanner) array(f func()) {
	if s.null() {
		return
	}
	if !s.take('[') {
		s.fail()
		return
	}
	if s.take(']') {
		return
	}
	for !s.bad {
		f()
		if s.take(',') {
			continue
		}
		if !s.take(']') {
			s.fail()
		}
		return
	}
}

func (s *scanner) null() bool {
	if s.peek() == 'n' {
		s.skip(0)
		return true
	}
	return false
}

// text is a string as it stands, valid until the next look: escapes are left in it, as no name has
// any.
func (s *scanner) text() []byte {
	if s.null() {
		return nil
	}
	if !s.take('"') {
		s.fail()
		return nil
	}
	begin := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return s.b[begin : s.i-1]
		}
		s.i++
	}
	s.fail()
	return nil
}

// str is a string with its escapes resolved.
func (s *scanner) str() string {
	raw := s.text()
	for _, c := range raw {
		if c == '\\' {
			if u, err := strconv.Unquote(`"` + string(raw) + `"`); err == nil {
				return u
			}
			break
		}
	}
	return string(raw)
}

func (s *scanner) boolean() bool {
	is := s.peek() == 't'
	s.skip(0)
	return is
}

// number is a number; null is 0.
func (s *scanner) number() float64 {
	if s.null() {
		return 0
	}
	s.peek()
	begin := s.i
	var whole uint64
	digits, decimals, plain := 0, 0, true
	point, negative := false, false
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c >= '0' && c <= '9':
			whole = whole*10 + uint64(c-'0')
			digits++
			if point {
				decimals++
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		case c == '-' && s.i == begin:
			negative = true
			continue
		case c == 'e' || c == 'E' || c == '+' || c == '-':
			plain = false
			continue
		}
		break
	}
	if digits == 0 {
		s.fail()
		return 0
	}
	if !plain || digits > 15 || decimals >= len(tens) {
		v, err := strconv.ParseFloat(string(s.b[begin:s.i]), 64)
		if err != nil {
			s.fail()
		}
		return v
	}
	v := float64(whole) / tens[decimals]
	if negative {
		v = -v
	}
	return v
}

var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

// skip passes over a value.
func (s *scanner) skip(depth int) {
	switch c := s.peek(); {
	case depth > maxDepth || c == 0:
		s.fail()
	case c == '{':
		s.object(func([]byte) { s.skip(depth + 1) })
	case c == '[':
		s.array(func() { s.skip(depth + 1) })
	case c == '"':
		s.text()
	case c == 't' || c == 'f' || c == 'n':
		for s.i < len(s.b) && s.b[s.i] >= 'a' && s.b[s.i] <= 'z' {
			s.i++
		}
	default:
		s.number()
	}
}
