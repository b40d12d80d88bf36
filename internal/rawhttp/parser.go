package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of a response.
const (
	maxHead      = 64 << 10 // bytes of a status line and header section
	maxChunkLine = 4 << 10  // bytes of a chunk's size with its extensions
	maxTrailer   = 64 << 10 // bytes
)

// What is wrong with a response.
var (
	errStatusLine = errors.New("not an HTTP/1.1 status line")
	errHead       = fmt.Errorf("a header section of more than %d bytes", maxHead)
	errField      = errors.New("a header line without a colon")
	errLength     = errors.New("a Content-Length that is no length, or two that differ")
	errCoding     = errors.New("a Transfer-Encoding that is not chunked, or in HTTP/1.0")
	errChunk      = errors.New("wrong chunk framing")
	errSwitch     = errors.New("101 (Switching Protocols), which nobody asked for")
)

type parserState uint8

const (
	inHead      parserState = iota
	inBody                  // left bytes more
	inChunkSize             // the size, in hexadecimal digits
	inChunkExt              // the rest of that line
	inChunk                 // left bytes more
	inChunkEnd              // the line end behind the data
	inTrailer               // lines, until an empty one
	untilClose              // the body ends with the connection
)

// Parser reads responses, however they are cut into pieces (RFC 9112). It
// looks at no more than what is needed to know where a response ends, what
// status it has, and whether the connection can be used on.
type Parser struct {
	// Head gets each final head, its status line included and the empty line not; Body the body,
	// without framing, in pieces. Neither may keep what it gets. nil: nobody wants it.
	Head, Body func([]byte)

	// Status of the response, once its head is complete.
	Status int
	// Close: the connection ends after this response.
	Close bool
	// Continued: there was a 100 (Continue).
	Continued bool
	// Length of the body so far, without framing.
	Length int64

	state  parserState
	noBody bool // the request was HEAD
	left   int64
	line   int // bytes of the line so far, inChunkSize to inTrailer
	lineCR bool
	held   []byte // the head so far, if it came in pieces
}

// Reset makes the parser ready for the response to a request; to HEAD or not.
func (p *Parser) Reset(head bool) {
	p.state, p.Status, p.Close, p.Continued, p.Length = inHead, 0, false, false, 0
	p.noBody = head
	p.held = p.held[:0]
}

// Begun reports whether a part of the response has come.
func (p *Parser) Begun() bool { return p.state != inHead || len(p.held) > 0 || p.Continued }

// Feed takes what it can of data for one response. With done, the response is
// complete and data[n:] is not part of it.
func (p *Parser) Feed(data []byte) (n int, done bool, err error) {
	for n < len(data) {
		if p.state == inHead {
			used, whole, err := p.takeHead(data[n:])
			n += used
			if err != nil || !whole {
				return n, false, err
			}
			if p.Status < 200 { // 1xx: another head follows
				if p.Status == 101 {
					return n, false, errSwitch
				}
				p.Continued = p.Continued || p.Status == 100
				continue
			}
			if p.state == inBody && p.left == 0 {
				return n, true, nil
			}
			continue
		}
		used, done, err := p.takeBody(data[n:])
		n += used
		if err != nil || done {
			return n, done, err
		}
	}
	return n, false, nil
}

// End is called when the connection has ended; it reports whether that
// completes the response.
func (p *Parser) End() bool { return p.state == untilClose }

// takeHead looks for a whole head, in one piece if it can.
func (p *Parser) takeHead(data []byte) (n int, whole bool, err error) {
	if len(p.held) == 0 {
		if i := bytes.Index(data, crlf2); i >= 0 && i <= maxHead {
			return i + 4, true, p.parseHead(data[:i+2])
		}
	}
	from := max(0, len(p.held)-3)
	before := len(p.held)
	p.held = append(p.held, data[:min(len(data), maxHead+4-before)]...)
	i := bytes.Index(p.held[from:], crlf2)
	if i < 0 {
		if len(p.held) >= maxHead {
			return 0, false, errHead
		}
		// What can't be one is told at once, not when 64 KiB of it have come.
		if k := min(len(p.held), len(httpVersion)); !bytes.Equal(p.held[:k], httpVersion[:k]) {
			return 0, false, errStatusLine
		}
		return len(data), false, nil
	}
	i += from
	n = i + 4 - before
	err = p.parseHead(p.held[:i+2])
	p.held = p.held[:0]
	return n, true, err
}

var (
	crlf2       = []byte("\r\n\r\n")
	httpVersion = []byte("HTTP/1.")
)

// parseHead parses a head whose lines all end with CRLF.
func (p *Parser) parseHead(head []byte) error {
	end := bytes.IndexByte(head, '\n')
	line := head[:end]
	if len(line) < 13 || !bytes.Equal(line[:7], httpVersion) || line[8] != ' ' || line[len(line)-1] != '\r' || line[12] != ' ' && line[12] != '\r' {
		return errStatusLine
	}
	d1, d2, d3 := line[9]-'0', line[10]-'0', line[11]-'0'
	if line[7] != '0' && line[7] != '1' || d1 < 1 || d1 > 5 || d2 > 9 || d3 > 9 {
		return errStatusLine
	}
	p.Status = int(d1)*100 + int(d2)*10 + int(d3)
	old := line[7] == '0'
	p.Close = old
	length, chunked := int64(-1), false
	for rest := head[end+1:]; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		line := rest[:end]
		rest = rest[end+1:]
		if len(line) < 2 || line[len(line)-1] != '\r' {
			return errField
		}
		line = line[:len(line)-1]
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return errField
		}
		// Three names count; they differ in length.
		switch colon {
		case len("Connection"):
			if equalFold(line[:colon], "connection") {
				value := line[colon+1:]
				if hasToken(value, "close") {
					p.Close = true
				} else if hasToken(value, "keep-alive") {
					p.Close = false
				}
			}
		case len("Content-Length"):
			if equalFold(line[:colon], "content-length") {
				v, ok := parseLength(bytes.Trim(line[colon+1:], " \t"))
				if !ok || length >= 0 && v != length {
					return errLength
				}
				length = v
			}
		case len("Transfer-Encoding"):
			if equalFold(line[:colon], "transfer-encoding") {
				// In HTTP/1.0 it is a fault of framing (RFC 9112 section 6.1).
				if !equalFold(bytes.Trim(line[colon+1:], " \t"), "chunked") || chunked || old {
					return errCoding
				}
				chunked = true
			}
		}
	}
	if p.Head != nil && p.Status >= 200 {
		p.Head(head)
	}
	switch {
	case p.Status < 200:
		p.state = inHead
	case p.noBody || p.Status == 204 || p.Status == 304:
		p.state, p.left = inBody, 0
	case chunked:
		p.state, p.left, p.line = inChunkSize, 0, 0
	case length >= 0:
		p.state, p.left = inBody, length
	default:
		p.state, p.Close = untilClose, true
	}
	return nil
}

// takeBody takes data in any state but inHead.
func (p *Parser) takeBody(data []byte) (n int, done bool, err error) {
	switch p.state {
	case inBody, inChunk:
		n = int(min(p.left, int64(len(data))))
		p.sink(data[:n])
		p.left -= int64(n)
		if p.left > 0 {
			return n, false, nil
		}
		if p.state == inBody {
			return n, true, nil
		}
		p.state, p.line = inChunkEnd, 0
		return n, false, nil
	case untilClose:
		p.sink(data)
		return len(data), false, nil
	default:
		return p.takeFraming(data)
	}
}

func (p *Parser) sink(b []byte) {
	p.Length += int64(len(b))
	if p.Body != nil && len(b) > 0 {
		p.Body(b)
	}
}

// takeFraming takes the lines between chunks, byte by byte.
func (p *Parser) takeFraming(data []byte) (n int, done bool, err error) {
	for n < len(data) {
		b := data[n]
		n++
		switch p.state {
		case inChunkSize:
			if v := unhex(b); v >= 0 {
				if p.line++; p.line > 15 {
					return n, false, errChunk
				}
				p.left = p.left<<4 | int64(v)
				continue
			}
			if p.line == 0 || b != '\r' && b != ';' && b != ' ' && b != '\t' {
				return n, false, errChunk
			}
			p.state, p.lineCR = inChunkExt, b == '\r'
		case inChunkExt:
			if p.line++; p.line > maxChunkLine {
				return n, false, errChunk
			}
			switch {
			case p.lineCR != (b == '\n'):
				return n, false, errChunk
			case b == '\r':
				p.lineCR = true
			case b == '\n' && p.left == 0:
				p.state, p.line, p.lineCR, p.left = inTrailer, 0, false, 0
			case b == '\n':
				p.state = inChunk
				return n, false, nil
			}
		case inChunkEnd:
			if p.line == 0 && b == '\r' {
				p.line = 1
				continue
			}
			if p.line != 1 || b != '\n' {
				return n, false, errChunk
			}
			p.state, p.left, p.line = inChunkSize, 0, 0
		default: // inTrailer; left is the bytes of all its lines, line those of this one
			if p.left++; p.left > maxTrailer || p.lineCR && b != '\n' {
				return n, false, errChunk
			}
			switch b {
			case '\r':
				p.lineCR = true
			case '\n':
				if !p.lineCR {
					return n, false, errChunk
				}
				if p.line == 0 {
					return n, true, nil
				}
				p.line, p.lineCR = 0, false
			default:
				p.line++
			}
		}
	}
	return n, false, nil
}

func unhex(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}

func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// equalFold compares with lower-case ASCII.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken looks for a token in a list.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		item := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			item, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if equalFold(bytes.Trim(item, " \t"), lower) {
			return true
		}
	}
	return false
}
