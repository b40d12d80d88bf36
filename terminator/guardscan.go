package terminator

// guardState says where in the message framing the next byte stands.
type guardState uint8

const (
	guardBetween     guardState = iota // before the first byte of a request
	guardBlankLF                       // inside an empty line before a request, its CR seen
	guardRequestLine                   // inside the request line
	guardFields                        // inside the header section
	guardFixed                         // inside a body of known length
	guardSize                          // inside a chunk-size
	guardSizeLF                        // its CR seen
	guardData                          // inside chunk-data
	guardDataCR                        // all of the chunk-data seen
	guardDataLF                        // and its CR
	guardLastCR                        // after the last chunk; a CR here, as trailers aren't taken
	guardLastLF                        // and its CR seen
)

// guardLimits bounds what a request may have. All are set, none is 0.
type guardLimits struct {
	head   int   // bytes of request line and header section with all their CRLF
	fields int   // header fields
	target int   // bytes of the request target
	body   int64 // bytes of a body, without chunk framing
}

// guardLineSlack is what a request line may have beside its target: 9 bytes of version and 2 spaces leave
// 53 for the method, of which the longest registered has 17.
const guardLineSlack = 64

const (
	guardSeenHost uint8 = 1 << iota
	guardSeenLength
	guardSeenChunked
	guardVersion10
	guardSeenExpect
)

// guardScanner follows the message framing of RFC 9112 over a stream of bytes, in pieces of any size.
// Where it finds a violation depends on the bytes alone and never on how they were cut into pieces;
// FuzzGuardScanner holds it to that. It keeps bytes only of a line that is cut by the end of a piece,
// and of the authority of an absolute-form target.
//
//	         ┌────────────────────────────── no body ─────────────────────────┐
//	         ▼                                                                │
//	between ──▶ request line ──▶ fields ──▶ (empty line) ─┬─ Content-Length ─▶ fixed ──▶ between
//	                                                      └─ chunked ─▶ size ─▶ data ─▶ size … 0 ─▶ between
type guardScanner struct {
	limits *guardLimits

	state     guardState
	seen      uint8 // guardSeen… and guardVersion10
	blank     bool  // an empty line stood before this request
	digits    uint8 // of the chunk-size so far
	fields    int   // header fields so far
	headBytes int   // complete lines of this head so far, with their CRLF
	left      int64 // bytes of body or chunk still to come
	length    int64 // Content-Length, or sum of the chunks so far

	// start is where in the piece scanned last the current request begins: 0 if it began in an earlier piece,
	// the end of the piece if none has begun.
	start int

	carry     []byte // an incomplete line; ends with CR if only the LF is missing
	authority []byte // of an absolute-form target, empty otherwise
}

// guardKeepCarry is how much of a scanner's memory outlives the head that needed it.
const guardKeepCarry = 512

// scan takes the next piece of the stream and returns the verdict at its first violation, after which the scanner
// must not be used. b is only read, and not kept.
func (s *guardScanner) scan(b []byte) guardFault {
	_, v := s.advance(b, false)
	return v
}

// scanOne is scan up to the end of the first request. It returns how many bytes that is, or all of b if the request
// doesn't end there.
func (s *guardScanner) scanOne(b []byte) (int, guardFault) { return s.advance(b, true) }

func (s *guardScanner) advance(b []byte, one bool) (i int, _ guardFault) {
	s.start = 0
	for i < len(b) {
		switch s.state {
		case guardBetween:
			s.start = i
			switch b[i] {
			case '\r':
				// RFC 9112 section 2.2 asks for at least one empty line before a request to be ignored.
				if s.blank {
					return i, guardFaultBlankLines
				}
				s.state = guardBlankLF
				i++
			case '\n':
				return i, guardFaultLFBefore
			default:
				s.begin()
			}
		case guardBlankLF:
			if b[i] != '\n' {
				return i, guardFaultCRBefore
			}
			s.blank = true
			s.state = guardBetween
			i++
		case guardRequestLine, guardFields:
			if s.state == guardFields && len(s.carry) == 0 {
				if i += s.plainFields(b[i:]); i == len(b) {
					break
				}
			}
			n, v := s.line(b[i:])
			if v != guardOK {
				return i, v
			}
			i += n
		case guardFixed, guardData:
			n := int64(len(b) - i)
			if n > s.left {
				n = s.left
			}
			i += int(n)
			s.left -= n
			if s.left == 0 {
				if s.state == guardFixed {
					s.end()
				} else {
					s.state = guardDataCR
				}
			}
		default:
			if v := s.chunk(b[i]); v != guardOK {
				return i, v
			}
			i++
		}
		if s.state == guardBetween {
			s.start = i
			if one && !s.blank {
				break
			}
		}
	}
	return i, guardOK
}

func (s *guardScanner) begin() {
	s.state = guardRequestLine
	s.seen = 0
	s.fields = 0
	s.headBytes = 0
	s.length = 0
	s.authority = s.authority[:0]
}

func (s *guardScanner) end() {
	s.state = guardBetween
	s.blank = false
}

// inHead reports whether a request has begun whose header section is incomplete.
func (s *guardScanner) inHead() bool {
	return s.state == guardBlankLF || s.state == guardRequestLine || s.state == guardFields
}

// inBody reports whether a request's header section is complete and its body isn't.
func (s *guardScanner) inBody() bool { return s.state >= guardFixed }

// plainFields takes complete header field lines in which line would find no fault and nothing of interest, and returns
// how many bytes they have. It is line's shortcut past nine in ten fields, at half the cost (BenchmarkGuardScan); it
// leaves whatever isn't plain to line, so that there is one place that judges.
func (s *guardScanner) plainFields(b []byte) int {
	i := 0
	room := s.limits.head - s.headBytes
	for s.fields < s.limits.fields {
		n := i
		for n < len(b) && guardClass[b[n]]&guardToken != 0 {
			n++
		}
		if n == i || n == len(b) || b[n] != ':' || n-i > guardMaxName || guardInteresting(n-i, b[i]) {
			break
		}
		j := n + 1 + guardSpecial(b[n+1:])
		if j+1 >= len(b) || b[j] != '\r' || b[j+1] != '\n' || j+2 > room {
			break
		}
		s.fields++
		i = j + 2
	}
	s.headBytes += i
	return i
}

// guardInteresting reports whether field has to look at a field whose name has length n and begins with c.
func guardInteresting(n int, c byte) bool {
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
func (s *guardScanner) line(b []byte) (int, guardFault) {
	held := len(s.carry)
	if held > 0 && s.carry[held-1] == '\r' {
		if b[0] != '\n' {
			return 0, guardFaultBareCR
		}
		v := s.complete(s.carry[:held-1])
		s.carry = s.carry[:0]
		return 1, v
	}
	if held == 0 && s.state == guardFields && (b[0] == ' ' || b[0] == '\t') {
		// At its first byte, as fasthttp doesn't wait for more either.
		if v := s.tooLong(1, 1); v != guardOK {
			return 0, v
		}
		return 0, guardFaultFold
	}
	j := guardSpecial(b)
	for j < len(b) && b[j] == '\t' && s.state == guardFields {
		j++
		j += guardSpecial(b[j:])
	}
	// The order of the checks from here on is that in which the bytes arrive, or the verdict would depend on how
	// they were cut into pieces.
	if v := s.tooLong(held+j, held+j); v != guardOK {
		return 0, v
	}
	switch {
	case j == len(b):
		s.carry = append(s.carry, b...)
		return len(b), guardOK
	case b[j] == '\n':
		return 0, guardFaultBareLF
	case b[j] != '\r':
		return 0, guardFaultControl
	}
	if v := s.tooLong(held+j, held+j+1); v != guardOK {
		return 0, v
	}
	if j+1 == len(b) {
		s.carry = append(s.carry, b...)
		return len(b), guardOK
	}
	if b[j+1] != '\n' {
		return 0, guardFaultBareCR
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
func (s *guardScanner) tooLong(content, arrived int) guardFault {
	if s.state == guardRequestLine {
		if content > s.limits.target+guardLineSlack || arrived > s.limits.head {
			return guardFaultLineLong
		}
		return guardOK
	}
	if s.headBytes+arrived > s.limits.head {
		return guardFaultHeadLarge
	}
	return guardOK
}

// complete takes a whole line of the head without its CRLF.
func (s *guardScanner) complete(line []byte) guardFault {
	s.headBytes += len(line) + 2
	if s.headBytes > s.limits.head {
		return guardFaultHeadLarge
	}
	if s.state == guardRequestLine {
		s.state = guardFields
		return s.requestLine(line)
	}
	if len(line) > 0 {
		return s.field(line)
	}
	return s.headEnd()
}

// headEnd judges what only the whole head shows, and sets out for the body (RFC 9112 section 6.3).
func (s *guardScanner) headEnd() guardFault {
	if cap(s.carry) > guardKeepCarry {
		s.carry = nil
	}
	switch {
	case s.seen&(guardSeenHost|guardVersion10) == 0:
		return guardFaultNoHost
	case s.seen&guardSeenLength != 0 && s.seen&guardSeenChunked != 0:
		return guardFaultTwoFramings
	case s.seen&guardSeenChunked != 0:
		s.state = guardSize
		s.digits, s.left = 0, 0
	case s.length > s.limits.body:
		return guardFaultBodyLarge
	case s.length > 0:
		s.state = guardFixed
		s.left = s.length
	default:
		s.end()
	}
	return guardOK
}

// guardMaxSizeDigits bounds a chunk-size to 32 bits, which leaves no room for an overflow in any parser.
const guardMaxSizeDigits = 8

// chunk takes one byte of chunk framing (RFC 9112 section 7.1). It is stricter than the grammar in two points:
// chunk extensions are refused, as no client sends them and parsers differ about where they end; and trailers
// are, as fasthttp merges them into the header section, where none of the checks above would have seen them.
func (s *guardScanner) chunk(c byte) guardFault {
	switch s.state {
	case guardSize:
		if guardClass[c]&guardHex != 0 {
			if s.digits == guardMaxSizeDigits {
				return guardFaultSizeLong
			}
			s.digits++
			s.left = s.left<<4 | int64(guardUnhex(c))
			return guardOK
		}
		if s.digits == 0 {
			return guardFaultSizeMissing
		}
		if c != '\r' {
			return guardFaultSizeByte
		}
		s.state = guardSizeLF
	case guardSizeLF:
		if c != '\n' {
			return guardFaultSizeCR
		}
		if s.left == 0 {
			s.state = guardLastCR
			return guardOK
		}
		s.length += s.left
		if s.length > s.limits.body {
			return guardFaultBodyLarge
		}
		s.state = guardData
	case guardDataCR:
		if c != '\r' {
			return guardFaultChunkLong
		}
		s.state = guardDataLF
	case guardDataLF:
		if c != '\n' {
			return guardFaultChunkCR
		}
		s.state = guardSize
		s.digits, s.left = 0, 0
	case guardLastCR:
		if c != '\r' {
			return guardFaultTrailer
		}
		s.state = guardLastLF
	case guardLastLF:
		if c != '\n' {
			return guardFaultLastCR
		}
		s.end()
	}
	return guardOK
}

// guardUnhex is the value of a HEXDIG.
func guardUnhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0x0f + 9
}
