package http1

import "nanofront/internal/uri"

// State says where in the message framing the next byte stands.
type State uint8

const (
	stateBetween     State = iota // before the first byte of a request
	stateBlankLF                  // inside an empty line before a request, its CR seen
	stateRequestLine              // inside the request line
	stateFields                   // inside the header section
	stateFixed                    // inside a body of known length
	stateSize                     // inside a chunk-size
	stateSizeLF                   // its CR seen
	stateData                     // inside chunk-data
	stateDataCR                   // all of the chunk-data seen
	stateDataLF                   // and its CR
	stateLastCR                   // after the last chunk; a CR here, as trailers aren't taken
	stateLastLF                   // and its CR seen
)

// Limits bounds what a request may have. All are set, none is 0.
type Limits struct {
	Head   int   // bytes of request line and header section with all their CRLF
	Fields int   // header fields
	Target int   // bytes of the request target
	Body   int64 // bytes of a body, without chunk framing
}

// lineSlack is what a request line may have beside its target: 9 bytes of version and 2 spaces leave
// 53 for the method, of which the longest registered has 17.
const lineSlack = 64

const (
	seenHost uint8 = 1 << iota
	seenLength
	seenChunked
	version10
	seenExpect
)

// Scanner follows the message framing of RFC 9112 over a stream of bytes, in pieces of any size.
// Where it finds a violation depends on the bytes alone and never on how they were cut into pieces;
// FuzzScanner holds it to that. It keeps bytes only of a line that is cut by the end of a piece,
// and of the authority of an absolute-form target.
//
//	         ┌────────────────────────────── no body ─────────────────────────┐
//	         ▼                                                                │
//	between ──▶ request line ──▶ fields ──▶ (empty line) ─┬─ Content-Length ─▶ fixed ──▶ between
//	                                                      └─ chunked ─▶ size ─▶ data ─▶ size … 0 ─▶ between
type Scanner struct {
	limits *Limits

	state     State
	seen      uint8 // seen… and version10
	blank     bool  // an empty line stood before this request
	digits    uint8 // of the chunk-size so far
	fields    int   // header fields so far
	headBytes int   // complete lines of this head so far, with their CRLF
	left      int64 // bytes of body or chunk still to come
	length    int64 // Content-Length, or sum of the chunks so far

	start int // see Start

	carry     []byte // an incomplete line; ends with CR if only the LF is missing
	authority []byte // of an absolute-form target, empty otherwise
}

// keepCarry is how much of a scanner's memory outlives the head that needed it.
const keepCarry = 512

// Init sets the limits, which the scanner keeps a pointer to. It comes before all else.
func (s *Scanner) Init(limits *Limits) { s.limits = limits }

// Scan takes the next piece of the stream and returns the verdict at its first violation, after which the scanner
// must not be used. b is only read, and not kept.
func (s *Scanner) Scan(b []byte) Fault {
	_, v := s.advance(b, false)
	return v
}

// ScanOne is Scan up to the end of the first request. It returns how many bytes that is, or all of b if the request
// doesn't end there.
func (s *Scanner) ScanOne(b []byte) (int, Fault) { return s.advance(b, true) }

func (s *Scanner) advance(b []byte, one bool) (i int, _ Fault) {
	s.start = 0
	for i < len(b) {
		switch s.state {
		case stateBetween:
			s.start = i
			switch b[i] {
			case '\r':
				// RFC 9112 section 2.2 asks for at least one empty line before a request to be ignored.
				if s.blank {
					return i, FaultBlankLines
				}
				s.state = stateBlankLF
				i++
			case '\n':
				return i, FaultLFBefore
			default:
				s.begin()
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
				if i += s.plainFields(b[i:]); i == len(b) {
					break
				}
			}
			n, v := s.line(b[i:])
			if v != OK {
				return i, v
			}
			i += n
		case stateFixed, stateData:
			n := int64(len(b) - i)
			if n > s.left {
				n = s.left
			}
			i += int(n)
			s.left -= n
			if s.left == 0 {
				if s.state == stateFixed {
					s.end()
				} else {
					s.state = stateDataCR
				}
			}
		default:
			if v := s.chunk(b[i]); v != OK {
				return i, v
			}
			i++
		}
		if s.state == stateBetween {
			s.start = i
			if one && !s.blank {
				break
			}
		}
	}
	return i, OK
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

// State says where the next byte stands.
func (s *Scanner) State() State { return s.state }

// Between reports whether the next byte is to begin a request.
func (s *Scanner) Between() bool { return s.state == stateBetween }

// InHead reports whether a request has begun whose header section is incomplete.
func (s *Scanner) InHead() bool {
	return s.state == stateBlankLF || s.state == stateRequestLine || s.state == stateFields
}

// InBody reports whether a request's header section is complete and its body isn't.
func (s *Scanner) InBody() bool { return s.state.InBody() }

// InBody reports whether the next byte belongs to a body, or to its framing.
func (s State) InBody() bool { return s >= stateFixed }

// Start is where in the piece scanned last the current request begins: 0 if it began in an earlier piece,
// the end of the piece if none has begun.
func (s *Scanner) Start() int { return s.start }

// Length is the Content-Length of the current request, or the sum of its chunks so far.
func (s *Scanner) Length() int64 { return s.length }

// Plain reports whether the current request, its head complete, is of HTTP/1.1 with a body of known length or
// none, and without Expect.
func (s *Scanner) Plain() bool { return s.seen&(seenChunked|seenExpect|version10) == 0 }

// plainFields takes complete header field lines in which line would find no fault and nothing of interest, and returns
// how many bytes they have. It is line's shortcut past nine in ten fields, at half the cost (BenchmarkScanner); it
// leaves whatever isn't plain to line, so that there is one place that judges.
func (s *Scanner) plainFields(b []byte) int {
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
		i = j + 2
	}
	s.headBytes += i
	return i
}

// interesting reports whether field has to look at a field whose name has length n and begins with c.
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

// line takes bytes up to the end of a line of the head, or all of b if it doesn't end there, and returns how many.
func (s *Scanner) line(b []byte) (int, Fault) {
	held := len(s.carry)
	if held > 0 && s.carry[held-1] == '\r' {
		if b[0] != '\n' {
			return 0, FaultBareCR
		}
		v := s.complete(s.carry[:held-1])
		s.carry = s.carry[:0]
		return 1, v
	}
	if held == 0 && s.state == stateFields && (b[0] == ' ' || b[0] == '\t') {
		// At its first byte, as fasthttp doesn't wait for more either.
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
	// The order of the checks from here on is that in which the bytes arrive, or the verdict would depend on how
	// they were cut into pieces.
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
		return j + 2, s.complete(b[:j])
	}
	s.carry = append(s.carry, b[:j]...)
	v := s.complete(s.carry)
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
func (s *Scanner) complete(line []byte) Fault {
	s.headBytes += len(line) + 2
	if s.headBytes > s.limits.Head {
		return FaultHeadLarge
	}
	if s.state == stateRequestLine {
		s.state = stateFields
		return s.requestLine(line)
	}
	if len(line) > 0 {
		return s.field(line)
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
		s.digits, s.left = 0, 0
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

// maxSizeDigits bounds a chunk-size to 32 bits, which leaves no room for an overflow in any parser.
const maxSizeDigits = 8

// chunk takes one byte of chunk framing (RFC 9112 section 7.1). It is stricter than the grammar in two points:
// chunk extensions are refused, as no client sends them and parsers differ about where they end; and trailers
// are, as fasthttp merges them into the header section, where none of the checks above would have seen them.
func (s *Scanner) chunk(c byte) Fault {
	switch s.state {
	case stateSize:
		if uri.IsHex(c) {
			if s.digits == maxSizeDigits {
				return FaultSizeLong
			}
			s.digits++
			s.left = s.left<<4 | int64(uri.Unhex(c))
			return OK
		}
		if s.digits == 0 {
			return FaultSizeMissing
		}
		if c != '\r' {
			return FaultSizeByte
		}
		s.state = stateSizeLF
	case stateSizeLF:
		if c != '\n' {
			return FaultSizeCR
		}
		if s.left == 0 {
			s.state = stateLastCR
			return OK
		}
		s.length += s.left
		if s.length > s.limits.Body {
			return FaultBodyLarge
		}
		s.state = stateData
	case stateDataCR:
		if c != '\r' {
			return FaultChunkLong
		}
		s.state = stateDataLF
	case stateDataLF:
		if c != '\n' {
			return FaultChunkCR
		}
		s.state = stateSize
		s.digits, s.left = 0, 0
	case stateLastCR:
		if c != '\r' {
			return FaultTrailer
		}
		s.state = stateLastLF
	case stateLastLF:
		if c != '\n' {
			return FaultLastCR
		}
		s.end()
	}
	return OK
}
