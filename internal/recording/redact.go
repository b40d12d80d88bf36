package recording

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// RedactOptions say what is kept besides what always is.
type RedactOptions struct {
	// Key of the pseudonyms, 32 bytes at least. nil: one is drawn, which nobody ever knows.
	Key []byte
	// Paths says which segments of paths are replaced; empty: PathsTokens.
	Paths Paths
	// KeepFields and KeepQuery are names of header fields, and of query parameters, whose values
	// are kept. No name that sounds like a credential may be among them.
	KeepFields, KeepQuery []string
	// KeepIDs keeps request and trace ids, by which logs and traces are found.
	KeepIDs bool
}

// Redactor replaces whatever clients and handlers may want kept to themselves by pseudonyms: the
// same value by the same one, wherever it occurs, and in every recording with the same key. It isn't
// for several goroutines.
type Redactor struct {
	o      RedactOptions
	id     string
	mac    hash.Hash
	fields map[string]bool
	query  map[string]bool
}

// NewRedactor checks the options.
func NewRedactor(o RedactOptions) (*Redactor, error) {
	if o.Key == nil {
		o.Key = NewKey()
	}
	if len(o.Key) < minKey {
		return nil, fmt.Errorf("recording: a key of %d bytes: want at least %d", len(o.Key), minKey)
	}
	if o.Paths == "" {
		o.Paths = PathsTokens
	}
	if !slices.Contains(AllPaths(), o.Paths) {
		return nil, fmt.Errorf("recording: %q isn't a way to treat paths: want one of %v", o.Paths, AllPaths())
	}
	r := &Redactor{o: o, id: keyID(o.Key), mac: hmac.New(sha256.New, o.Key), fields: map[string]bool{}, query: map[string]bool{}}
	for _, name := range o.KeepFields {
		lower := strings.ToLower(name)
		if isCredential(lower) {
			return nil, fmt.Errorf("recording: field %s is a credential by its name: its value is never kept", name)
		}
		r.fields[lower] = true
	}
	for _, name := range o.KeepQuery {
		if isCredential(strings.ToLower(name)) {
			return nil, fmt.Errorf("recording: query parameter %s is a credential by its name: its value is never kept", name)
		}
		r.query[name] = true
	}
	return r, nil
}

// KeyID names the key.
func (r *Redactor) KeyID() string { return r.id }

// Header puts into h how values were treated.
func (r *Redactor) Header(h *Header) {
	h.KeyID, h.Paths, h.KeptFields, h.KeptQuery, h.KeptIDs = r.id, r.o.Paths, r.o.KeepFields, r.o.KeepQuery, r.o.KeepIDs
}

// sum is the keyed hash of a value.
func (r *Redactor) sum(v string) []byte {
	r.mac.Reset()
	_, _ = r.mac.Write([]byte(v)) // a hash takes everything
	return r.mac.Sum(nil)
}

// Value is the pseudonym of a value. Nothing stays nothing.
func (r *Redactor) Value(v string) string {
	if v == "" {
		return ""
	}
	if len(v) <= mostDigits && shapeOf(v) == shapeDigits {
		return r.digits(v)
	}
	return pseudonym(v, r.sum(v))
}

// Hash is the keyed hash of a body, or of as much as there is of it.
func (r *Redactor) Hash(body []byte) (h Hash) {
	if len(body) > 0 {
		r.mac.Reset()
		_, _ = r.mac.Write(body) // as above
		copy(h[:], r.mac.Sum(nil))
	}
	return h
}

// Chosen reports whether a request is among that share of all, from 0 to 1. It goes by the request's
// id and the key, so that all hops of a request are, or none, and nobody outside can choose an id
// that is.
func (r *Redactor) Chosen(id string, share float64) bool {
	return share >= 1 || float64(binary.BigEndian.Uint64(r.sum("share of "+id))>>11) < share*(1<<53)
}

// Body is what is kept of a body, of which have was copied. whole is its length as the head says
// it: 0 if that is all of it, -1 if it isn't known.
func (r *Redactor) Body(have []byte, whole int64) Body {
	if whole == 0 {
		whole = int64(len(have))
	}
	return Body{Size: whole, Copied: int64(len(have)), Hash: r.Hash(have)}
}

// ID is a request's or a trace's id as it is recorded.
func (r *Redactor) ID(id string) string {
	if r.o.KeepIDs && isPlain(id, 128, "-._~+/=:@") {
		return id
	}
	return r.Value(id)
}

// Field is what is recorded of a header field.
func (r *Redactor) Field(name, value string) Field {
	lower := strings.ToLower(name)
	shown := lower
	if r.name(name) != name { // judged by its case too, which a drawn word mixes
		shown = r.Value(lower)
	}
	return Field{Name: shown, Value: r.field(lower, value)}
}

// name is the name of a field, a cookie or a parameter. One that looks as if it were the secret
// itself is replaced too.
func (r *Redactor) name(name string) string {
	if name == "" || isPlain(name, 64, "-._[]$") && !isToken(name) {
		return name
	}
	return r.Value(name)
}

// field is the value of a field.
func (r *Redactor) field(name, value string) string {
	switch name {
	case "authorization", "proxy-authorization":
		scheme, rest, ok := strings.Cut(value, " ")
		if ok && slices.Contains(authSchemes, strings.ToLower(scheme)) {
			return scheme + " " + r.Value(strings.TrimLeft(rest, " "))
		}
		return r.Value(value)
	case "cookie":
		return r.cookies(value)
	case "set-cookie":
		return r.setCookie(value)
	case "x-request-id":
		return r.ID(value)
	case "content-type", "accept":
		return r.mediaTypes(value)
	}
	if r.fields[name] || keptFields[name] != nil && keptFields[name](value) {
		return value
	}
	return r.Value(value)
}

// authSchemes are those that may be named; anything else in their place could be the secret.
var authSchemes = []string{"basic", "bearer", "digest", "negotiate", "ntlm", "hoba", "mutual", "scram-sha-256", "dpop", "apikey", "token"}

// cookies is the value of Cookie: the names, and pseudonyms of the values.
func (r *Redactor) cookies(value string) string {
	parts := strings.Split(value, ";")
	for i, p := range parts {
		parts[i] = r.pair(strings.TrimSpace(p))
	}
	return strings.Join(parts, "; ")
}

// pair is name=value with the value replaced. Without "=" all of it is a value.
func (r *Redactor) pair(p string) string {
	name, value, ok := strings.Cut(p, "=")
	if !ok {
		return r.Value(p)
	}
	return r.name(name) + "=" + r.Value(value)
}

// setCookie is the value of Set-Cookie: what the attributes say that can be no secret is kept.
func (r *Redactor) setCookie(value string) string {
	parts := strings.Split(value, ";")
	out := []string{r.pair(strings.TrimSpace(parts[0]))}
	for _, p := range parts[1:] {
		p = strings.TrimSpace(p)
		name, v, _ := strings.Cut(p, "=")
		switch strings.ToLower(name) {
		case "httponly", "secure", "partitioned":
			if v == "" {
				out = append(out, p)
			}
		case "max-age":
			if isNumber(v) {
				out = append(out, p)
			}
		case "expires":
			if isDate(v) {
				out = append(out, p)
			}
		case "samesite":
			if slices.Contains([]string{"strict", "lax", "none"}, strings.ToLower(v)) {
				out = append(out, p)
			}
		case "path", "domain":
			out = append(out, name+"="+r.Value(v))
		}
	}
	return strings.Join(out, "; ")
}

// mediaTypes is a list of media types with those parameters that can be no secret.
func (r *Redactor) mediaTypes(value string) string {
	list := strings.Split(value, ",")
	for i, one := range list {
		parts := strings.Split(one, ";")
		var out []string
		for n, p := range parts {
			p = strings.TrimSpace(p)
			name, v, _ := strings.Cut(p, "=")
			switch {
			case n == 0 && isPlain(p, 80, "/*+-.") && strings.Count(p, "/") == 1 && !isToken(strings.ReplaceAll(p, "/", "-")):
				out = append(out, p)
			case n == 0:
				out = append(out, r.Value(p))
			case strings.EqualFold(name, "q") && isPlain(v, 5, "."), strings.EqualFold(name, "charset") && isPlain(v, 16, "-"):
				out = append(out, p)
			}
		}
		list[i] = strings.Join(out, ";")
	}
	return strings.Join(list, ", ")
}

// Query is a query with the values replaced. A parameter without "=" is a value too.
func (r *Redactor) Query(query string) string {
	if query == "" {
		return ""
	}
	var out strings.Builder
	for i := 0; i <= len(query); i++ {
		from := i
		for i < len(query) && query[i] != '&' && query[i] != ';' {
			i++
		}
		out.WriteString(r.parameter(query[from:i]))
		if i < len(query) {
			out.WriteByte(query[i])
		}
	}
	return out.String()
}

func (r *Redactor) parameter(p string) string {
	name, value, ok := strings.Cut(p, "=")
	switch {
	case ok && r.query[name]:
		return p
	case !ok:
		return r.Value(decoded(p))
	default:
		return r.name(decoded(name)) + "=" + r.Value(decoded(value))
	}
}
