package httpmsg

import "bytes"

// PrefersHTML reports whether the client would rather have a page than JSON
// (RFC 9110, section 12.5.1). JSON is the default: it is what a client gets
// that says nothing, anything, or likes both as much. Nothing is allocated: it
// may run for every request.
func (fs Fields) PrefersHTML() bool {
	var html, json preference
	for i := range fs {
		// In a front, names are still as the client wrote them.
		if len(fs[i].Name) != len(fieldAccept) || !bytes.EqualFold(fs[i].Name, fieldAccept) {
			continue
		}
		rest := fs[i].Value
		for len(rest) > 0 {
			var item []byte
			item, rest, _ = bytes.Cut(rest, comma)
			name, q := parseRange(item)
			switch {
			case bytes.EqualFold(name, rangeHTML):
				html.take(2, q)
			case bytes.EqualFold(name, rangeJSON):
				json.take(2, q)
			case bytes.EqualFold(name, rangeText):
				html.take(1, q)
			case bytes.EqualFold(name, rangeApplication):
				json.take(1, q)
			case bytes.Equal(name, rangeAny):
				html.take(0, q)
				json.take(0, q)
			}
		}
	}
	return html.q > json.q
}

var (
	fieldAccept      = []byte("accept")
	comma            = []byte(",")
	semicolon        = []byte(";")
	rangeHTML        = []byte("text/html")
	rangeJSON        = []byte("application/json")
	rangeText        = []byte("text/*")
	rangeApplication = []byte("application/*")
	rangeAny         = []byte("*/*")
)

// preference is how much a type is wanted, by the most specific range that
// covers it.
type preference struct {
	specific int // of the range q is from, plus 1; 0: none yet
	q        int // thousandths
}

func (p *preference) take(specific, q int) {
	if specific+1 >= p.specific {
		p.specific, p.q = specific+1, q
	}
}

// parseRange takes one range of Accept apart: its name and its q in
// thousandths, 1000 if there is none or it can't be read.
func parseRange(item []byte) (name []byte, q int) {
	name, params, _ := bytes.Cut(item, semicolon)
	q = 1000
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, semicolon)
		param = bytes.TrimSpace(param)
		if len(param) > 2 && param[0]|0x20 == 'q' && param[1] == '=' {
			q = parseQ(bytes.TrimSpace(param[2:]))
		}
	}
	return bytes.TrimSpace(name), q
}

// parseQ reads 0, 1, 0.5, 0.333 as thousandths.
func parseQ(b []byte) int {
	if len(b) == 0 || b[0] != '0' {
		return 1000
	}
	q, unit := 0, 100
	for i := 2; i < len(b) && i < 5 && '0' <= b[i] && b[i] <= '9'; i++ {
		q += int(b[i]-'0') * unit
		unit /= 10
	}
	return q
}
