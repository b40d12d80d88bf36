package http1

import "bytes"

// state says where in the message framing the next byte stands.
type state uint8

const (
	stateBetween      state = iota // before the first byte of a request
	stateBlankLF                   // inside an empty line before a request, its CR seen
	stateRequestLine               // inside the request line
	stateFields                    // inside the header section
	stateFixed                     // inside a body of known length
	stateSize                      // inside a chunk-size
	stateExtension                 // inside what follows a chunk-size; see Scanner.extension
	stateSizeLF                    // the CR seen
	stateData                      // inside chunk-data
	stateDataCR                    // all of the chunk-data seen
	stateDataLF                    // and its CR
	stateTrailer                   // after the last chunk, at the beginning of a line
	stateTrailerName               // inside the name of a trailer field
	stateTrailerValue              // inside its value
	stateTrailerLF                 // and its CR seen
	stateLastLF                    // inside the empty line at the end, its CR seen
)

// Limits bounds what a request may have. All are set, none is 0.
type Limits struct {
	Head   int   // bytes of request line and header section with all their CRLF
	Fields int   // header fields
	Target int   // bytes of the request target
	Body   int64 // bytes of a body, without chunk framing
}

// lineSlack is what a request line may have beside its target: 9 bytes of version and 2 spaces
// leave 53 for the method, of which the longest registered has 17.
const lineSlack = 64

const (
	seenHost uint8 = 1 << iota
	seenLength
	seenChunked
	version10
	seenExpect
	seenHead  // the method is HEAD
	seenHTTPS // the target is absolute, of scheme https
)

// Scanner follows the message framing of RFC 9112 over a stream of bytes, in pieces of any size.
// Where it finds a violation depends on the bytes alone and never on how they were cut into pieces;
// FuzzScanner holds it to that. It keeps bytes only of a line that is cut by the end of a piece,
// and of the authority of an absolute-form target.
//
//	         ┌────────────────────────────── no body ─────────────────────────┐
//	         ▼                                                                │
//	between ──▶ request line ──▶ fields ──▶ (empty line) ─┬─ Content-Length ─▶ fixed ──▶ between
//	                                                      └─ chunked ─▶ size ─▶ data ─▶ size … 0 ─▶ trailers ─▶ between
type Scanner struct {
	limits *Limits

	state     state
	seen      uint8 // seen… and version10
	blank     bool  // an empty line stood before this request
	digits    uint8 // of the chunk-size so far
	extState  extensionState
	fields    int   // header or trailer fields so far
	headBytes int   // complete lines of this head so far, with their CRLF; bytes of the trailer section
	nameBytes int   // of the trailer field's name so far
	extBytes  int64 // of chunk extensions, beyond the chunks' own bytes
	left      int64 // bytes of body or chunk still to come
	length    int64 // Content-Length, or sum of the chunks so far

	carry     []byte // an incomplete line; ends with CR if only the LF is missing
	authority []byte // of an absolute-form target, empty otherwise
}

// keepCarry is how much of a scanner's memory outlives the head that needed it.
const keepCarry = 512

// Init sets the limits, which the scanner keeps a pointer to. It comes before all else.
func (s *Scanner) Init(limits *Limits) { s.limits = limits }

// ScanOne takes the next piece of the stream up to the end of the first request. It returns how
// many bytes that is, or all of b if the request doesn't end there, and what is wrong; after a
// fault the scanner must not be used. b is only read, and not kept. What the head has is noted in
// h, which has to be the same until the head is complete.
func (s *Scanner) ScanOne(b []byte, h *Head) (int, Fault) { return s.advance(b, h, toRequest) }

// ScanHead goes up to the end of the first request's head: n is that of its last byte if done, else
// all of b belongs to the head, or to empty lines before it. The body is left to ScanBody.
func (s *Scanner) ScanHead(b []byte, h *Head) (n int, done bool, _ Fault) {
	n, v := s.advance(b, h, toHead)
	return n, v == OK && n > 0 && (s.InBody() || s.state == stateBetween && !s.blank), v
}

// ScanBody takes the next run of the body off b, of which it uses up n bytes: data, which aliases
// b, and the framing before it. Chunk extensions are ignored and trailer fields dropped, both after
// a look at their form (RFC 9112 section 7.1). When the scanner is Between, the body has ended, and
// b[n:] is the next request's.
func (s *Scanner) ScanBody(b []byte) (data []byte, n int, _ Fault) {
	for n < len(b) && s.InBody() {
		if s.state == stateFixed || s.state == stateData {
			k := s.run(len(b) - n)
			return b[n : n+k], n + k, OK
		}
		if v := s.chunk(b[n]); v != OK {
			return nil, n, v
		}
		n++
	}
	return nil, n, OK
}

// How far advance goes.
type extent uint8

const (
	toRequest extent = iota // the end of a request
	toHead                  // the end of a request's head
)

func (s *Scanner) advance(b []byte, h *Head, to extent) (i int, _ Fault) {
	for i < len(b) {
		switch s.state {
		case stateBetween:
			switch b[i] {
			case '\r':
				s.seen = 0 // what was seen of the request before
				// RFC 9112 section 2.2 asks for at least one empty line before a request to be
				// ignored.
				if s.blank {
					return i, FaultBlankLines
				}
				s.state = stateBlankLF
				i++
			case '\n':
				s.seen = 0
				return i, FaultLFBefore
			default:
				s.begin()
				h.Fields = h.Fields[:0]
			}
		case stateBlankLF:
			if b[i] != '\n' {
				return i, FaultCRBefore
			}
			s.blank = true
			s.state = stateBetween
			i++
		case stateRequestLine, stateFields:
			if s.state == stateFields && len(s.carry) == 0 {
				if i += s.plainFields(b[i:], h); i == len(b) {
					break
				}
			}
			n, v := s.line(b[i:], h)
			if v != OK {
				s.noteHead(b[i:])
				return i, v
			}
			i += n
		case stateFixed, stateData:
			i += s.run(len(b) - i)
		default:
			if v := s.chunk(b[i]); v != OK {
				return i, v
			}
			i++
		}
		if s.state == stateBetween && !s.blank || to == toHead && s.InBody() {
			break
		}
	}
	return i, OK
}

// run takes n bytes of a body or a chunk, or as many as it still has, and returns how many.
func (s *Scanner) run(n int) int {
	n = int(min(int64(n), s.left))
	if s.left -= int64(n); s.left == 0 {
		if s.state == stateFixed {
			s.end()
		} else {
			s.state = stateDataCR
		}
	}
	return n
}

func (s *Scanner) begin() {
	s.state = stateRequestLine
	s.seen = 0
	s.fields = 0
	s.headBytes = 0
	s.length = 0
	s.authority = s.authority[:0]
}

func (s *Scanner) end() {
	s.state = stateBetween
	s.blank = false
}

// Between reports whether the next byte is to begin a request.
func (s *Scanner) Between() bool { return s.state == stateBetween }

// InHead reports whether a request has begun whose header section is incomplete.
func (s *Scanner) InHead() bool {
	return s.state == stateBlankLF || s.state == stateRequestLine || s.state == stateFields
}

// InBody reports whether a request's header section is complete and its body isn't.
func (s *Scanner) InBody() bool { return s.state >= stateFixed }

// Length is the Content-Length of the current request, or the sum of its chunks so far.
func (s *Scanner) Length() int64 { return s.length }

// Left is how many bytes of the current request's body, or of its chunk, are still to come.
func (s *Scanner) Left() int64 { return s.left }

// Chunked reports whether the current request's body comes in chunks.
func (s *Scanner) Chunked() bool { return s.seen&seenChunked != 0 }

// Expects reports whether the client waits for 100 Continue before it sends the body.
func (s *Scanner) Expects() bool { return s.seen&seenExpect != 0 }

// Old reports whether the current request is of HTTP/1.0.
func (s *Scanner) Old() bool { return s.seen&version10 != 0 }

// Head reports whether the current request's method is HEAD, whose response has no body; also of a
// request that was refused, if that much of it had come.
func (s *Scanner) Head() bool {
	return s.seen&seenHead != 0 || s.state == stateRequestLine && bytes.HasPrefix(s.carry, []byte("HEAD "))
}

// Plain reports whether the current request, its head complete, is of HTTP/1.1 with a body of known
// length or none, and without Expect.
func (s *Scanner) Plain() bool { return s.seen&(seenChunked|seenExpect|version10) == 0 }

// plainFields takes complete header field lines in which line would find no fault and nothing of
// interest, and returns how many bytes they have. It is line's shortcut past nine in ten fields, at
// half the cost (BenchmarkScanner); it leaves whatever isn't plain to line, so that there is one
// place that judges.
func (s *Scanner) plainFields(b []byte, h *Head) int {
	i := 0
	room := s.limits.Head - s.headBytes
	for s.fields < s.limits.Fields {
		n := i
		for n < len(b) && IsToken(b[n]) {
			n++
		}
		if n == i || n == len(b) || b[n] != ':' || n-i > maxName || interesting(n-i, b[i]) {
			break
		}
		j := n + 1 + special(b[n+1:])
		if j+1 >= len(b) || b[j] != '\r' || b[j+1] != '\n' || j+2 > room {
			break
		}
		s.fields++
		h.note(s.headBytes+i, n-i, j-i)
		i = j + 2
	}
	s.headBytes += i
	return i
}

// interesting reports whether field has to look at a field whose name has length n and begins with
// c.
func interesting(n int, c byte) bool {
	switch n {
	case len("host"):
		return c|0x20 == 'h'
	case len("expect"):
		return c|0x20 == 'e'
	case len("content-length"):
		return c|0x20 == 'c'
	case len("transfer-encoding"):
		return c|0x20 == 't'
	}
	return false
}

// line takes bytes up to the end of a line of the head, or all of b if it doesn't end there, and
// returns how many.
func (s *Scanner) line(b []byte, h *Head) (int, Fault) {
	held := len(s.carry)
	if held > 0 && s.carry[held-1] == '\r' {
		if b[0] != '\n' {
			return 0, FaultBareCR
		}
		v := s.complete(s.carry[:held-1], h)
		s.carry = s.carry[:0]
		return 1, v
	}
	if held == 0 && s.state == stateFields && (b[0] == ' ' || b[0] == '\t') {
		// At its first byte: it can't become anything else.
		if v := s.tooLong(1, 1); v != OK {
			return 0, v
		}
		return 0, FaultFold
	}
	j := special(b)
	for j < len(b) && b[j] == '\t' && s.state == stateFields {
		j++
		j += special(b[j:])
	}
	// The order of the checks from here on is that in which the bytes arrive, or the verdict would
	// depend on how they were cut into pieces.
	if s.state == stateRequestLine && held <= maxMethod && held+j > maxMethod {
		if v := s.longMethod(b); v != OK {
			return 0, v
		}
	}
	if v := s.tooLong(held+j, held+j); v != OK {
		return 0, v
	}
	switch {
	case j == len(b):
		s.carry = append(s.carry, b...)
		return len(b), OK
	case b[j] == '\n':
		return 0, FaultBareLF
	case b[j] != '\r':
		return 0, FaultControl
	}
	if v := s.tooLong(held+j, held+j+1); v != OK {
		return 0, v
	}
	if j+1 == len(b) {
		s.carry = append(s.carry, b...)
		return len(b), OK
	}
	if b[j+1] != '\n' {
		return 0, FaultBareCR
	}
	if held == 0 {
		return j + 2, s.complete(b[:j], h)
	}
	s.carry = append(s.carry, b[:j]...)
	v := s.complete(s.carry, h)
	s.carry = s.carry[:0]
	return j + 2, v
}

// tooLong judges a line of which content bytes have come, arrived with its CR.
func (s *Scanner) tooLong(content, arrived int) Fault {
	if s.state == stateRequestLine {
		if content > s.limits.Target+lineSlack || arrived > s.limits.Head {
			return FaultLineLong
		}
		return OK
	}
	if s.headBytes+arrived > s.limits.Head {
		return FaultHeadLarge
	}
	return OK
}

// complete takes a whole line of the head without its CRLF.
func (s *Scanner) complete(line []byte, h *Head) Fault {
	s.headBytes += len(line) + 2
	if s.headBytes > s.limits.Head {
		return FaultHeadLarge
	}
	if s.state == stateRequestLine {
		s.state = stateFields
		return s.requestLine(line, h)
	}
	if len(line) > 0 {
		return s.field(line, h)
	}
	return s.headEnd()
}

// headEnd judges what only the whole head shows, and sets out for the body (RFC 9112 section 6.3).
func (s *Scanner) headEnd() Fault {
	if cap(s.carry) > keepCarry {
		s.carry = nil
	}
	switch {
	case s.seen&(seenHost|version10) == 0:
		return FaultNoHost
	case s.seen&seenLength != 0 && s.seen&seenChunked != 0:
		return FaultTwoFramings
	case s.seen&seenChunked != 0:
		s.state = stateSize
		s.digits, s.left, s.extBytes = 0, 0, 0
	case s.length > s.limits.Body:
		return FaultBodyLarge
	case s.length > 0:
		s.state = stateFixed
		s.left = s.length
	default:
		s.end()
	}
	return OK
}
