package http1

import "nanofront/internal/uri"

// maxSizeDigits bounds a chunk-size to 32 bits, which leaves no room for an overflow in any parser.
const maxSizeDigits = 8

// chunk takes one byte of chunk framing (RFC 9112 section 7.1): all but the data.
func (s *Scanner) chunk(c byte) Fault {
	switch s.state {
	case stateSize:
		switch {
		case uri.IsHex(c):
			if s.digits == maxSizeDigits {
				return FaultSizeLong
			}
			s.digits++
			s.left = s.left<<4 | int64(uri.Unhex(c))
		case s.digits == 0:
			return FaultSizeMissing
		case c == '\r':
			s.state = stateSizeLF
		case c != ';' && c != ' ' && c != '\t':
			return FaultSizeByte
		default:
			s.state, s.extState = stateExtension, extensionEnd
			return s.extension(c)
		}
	case stateExtension:
		return s.extension(c)
	case stateSizeLF:
		if c != '\n' {
			return FaultSizeCR
		}
		return s.chunkBegin()
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
	case stateLastLF:
		if c != '\n' {
			return FaultLastCR
		}
		s.end()
	default:
		return s.trailer(c)
	}
	return OK
}

// chunkBegin is called at the end of a chunk-size's line.
func (s *Scanner) chunkBegin() Fault {
	if s.left == 0 {
		s.state = stateTrailer
		s.fields, s.headBytes = 0, 0
		return OK
	}
	s.length += s.left
	if s.length > s.limits.Body {
		return FaultBodyLarge
	}
	s.extBytes = max(s.extBytes-s.left, 0)
	s.state = stateData
	return OK
}

// extensionState says where in chunk extensions the next byte stands.
type extensionState uint8

const (
	extensionEnd        extensionState = iota // after one, or after the size: here the line may end
	extensionSpace                            // after white space there, which only ';' may follow
	extensionName                             // after ';'
	extensionNameGoesOn                       // inside a name
	extensionNameSpace                        // after white space behind it
	extensionValue                            // after '='
	extensionToken                            // inside a value that is a token
	extensionQuoted                           // inside one that is a quoted-string
	extensionQuotedPair                       // after a backslash in it
)

// extension takes one byte of what follows a chunk-size (RFC 9112 section 7.1.1):
//
//	*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) CR
//
// Beyond as many bytes as the chunks themselves have, a body's extensions share the limit of a
// head: a client may sign each chunk of an endless upload, but none can make us read a thousand
// times what it sends.
func (s *Scanner) extension(c byte) Fault {
	if s.extBytes++; s.extBytes > int64(s.limits.Head) {
		return FaultExtensionsLarge
	}
	space, token := c == ' ' || c == '\t', IsToken(c)
	next := s.extState
	switch s.extState {
	case extensionEnd, extensionSpace, extensionNameGoesOn, extensionNameSpace, extensionToken:
		inName := s.extState == extensionNameGoesOn || s.extState == extensionNameSpace
		switch {
		case c == '\r' && s.extState != extensionSpace && s.extState != extensionNameSpace:
			s.state = stateSizeLF
		case token && (s.extState == extensionNameGoesOn || s.extState == extensionToken):
		case c == ';':
			next = extensionName
		case c == '=' && inName:
			next = extensionValue
		case space && inName:
			next = extensionNameSpace
		case space:
			next = extensionSpace
		default:
			return FaultExtension
		}
	case extensionName:
		switch {
		case token:
			next = extensionNameGoesOn
		case !space:
			return FaultExtension
		}
	case extensionValue:
		switch {
		case token:
			next = extensionToken
		case c == '"':
			next = extensionQuoted
		case !space:
			return FaultExtension
		}
	case extensionQuoted, extensionQuotedPair:
		switch {
		case c < ' ' && c != '\t', c == 0x7f:
			return FaultExtension
		case s.extState == extensionQuotedPair:
			next = extensionQuoted
		case c == '"':
			next = extensionEnd
		case c == '\\':
			next = extensionQuotedPair
		}
	}
	s.extState = next
	return OK
}

// trailer takes one byte of the trailer section (RFC 9112 section 7.1.2), which has the form and
// the limits of a header section. Its fields are dropped: RFC 9110 section 6.5.1 lets none be
// merged into the header section that isn't known to allow it.
func (s *Scanner) trailer(c byte) Fault {
	if s.headBytes++; s.headBytes > s.limits.Head {
		return FaultTrailersLarge
	}
	switch s.state {
	case stateTrailer:
		switch {
		case c == '\r':
			s.state = stateLastLF
			return OK
		case !IsToken(c):
			return FaultTrailer
		}
		if s.fields++; s.fields > s.limits.Fields {
			return FaultTrailersMany
		}
		s.state, s.nameBytes = stateTrailerName, 1
	case stateTrailerName:
		switch {
		case c == ':':
			s.state = stateTrailerValue
		case !IsToken(c):
			return FaultTrailer
		default:
			if s.nameBytes++; s.nameBytes > maxName {
				return FaultNameLong
			}
		}
	case stateTrailerValue:
		switch {
		case c == '\r':
			s.state = stateTrailerLF
		case c < ' ' && c != '\t', c == 0x7f:
			return FaultTrailer
		}
	case stateTrailerLF:
		if c != '\n' {
			return FaultTrailer
		}
		s.state = stateTrailer
	}
	return OK
}
