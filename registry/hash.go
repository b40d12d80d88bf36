package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// HashSource is a part of a request by which its instance is chosen.
type HashSource uint8

// The sources. In documents the last three stand before a colon and a name.
const (
	HashNone   HashSource = iota
	HashPath              // the normalised path, without the query
	HashClient            // the client's IP address; behind trusted proxies the one that they name
	HashQuery             // a parameter of the query
	HashHeader            // a header field
	HashCookie            // a cookie
)

// Hash is a route's field hash, parsed.
type Hash struct {
	Source HashSource
	// Name of the parameter, header field or cookie; of a header field in
	// lower case.
	Name string
}

const (
	hashRule = "path, client, query:NAME, header:NAME or cookie:NAME"

	maxHashName = 64
)

// ParseHash reads what a route's field hash holds.
func ParseHash(s string) (Hash, error) {
	switch s {
	case "path":
		return Hash{Source: HashPath}, nil
	case "client":
		return Hash{Source: HashClient}, nil
	}
	source, name, _ := strings.Cut(s, ":")
	h := Hash{Name: name}
	var err error
	switch source {
	case "query":
		h.Source = HashQuery
		err = checkParameter(name)
	case "header":
		h.Source, h.Name = HashHeader, strings.ToLower(name)
		err = checkField(h.Name)
	case "cookie":
		h.Source = HashCookie
		err = checkToken(name)
	default:
		err = fmt.Errorf("want %s", hashRule)
	}
	if err != nil {
		return Hash{}, fmt.Errorf("%q: %w", clip(s), err)
	}
	return h, nil
}

// checkParameter wants a name as it stands in a query: names are compared
// there without decoding them.
func checkParameter(name string) error {
	if name == "" || len(name) > maxHashName || !printable(name) || strings.ContainsAny(name, " &=#\"<>") {
		return fmt.Errorf("want query: and a parameter's name as in URLs, 1 to %d bytes without '&', '=' or '#'", maxHashName)
	}
	return nil
}

// checkToken wants RFC 9110's token, of which the names of header fields and
// cookies are made.
func checkToken(name string) error {
	if name != "" && len(name) <= maxHashName && !strings.ContainsFunc(name, func(c rune) bool { return !isTokenByte(c) }) {
		return nil
	}
	return fmt.Errorf("want a name of 1 to %d letters, digits and -!#$%%&'*+.^_`|~", maxHashName)
}

func isTokenByte(c rune) bool {
	if c >= 0x80 {
		return false
	}
	b := byte(c) // ASCII
	return isLower(b) || isUpper(b) || isDigit(b) || strings.ContainsRune("-!#$%&'*+.^_`|~", c)
}

// ownFields are header fields that concern the connection, or that are made
// anew for each request or from the client's address.
var ownFields = []string{
	"connection", "content-length", "expect", "forwarded", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
	"proxy", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id",
}

var errOwnField = errors.New("this field isn't passed on as the client sent it: want another, or client for the client's address")

func checkField(name string) error {
	// Nor are other spellings of ours, which a backend may take for them.
	dashed := strings.Map(func(c rune) rune {
		if c < 0x80 && !isLower(byte(c)) && !isDigit(byte(c)) { // ASCII
			return '-'
		}
		return c
	}, name)
	if slices.Contains(ownFields, dashed) || dashed != name && strings.HasPrefix(dashed, "x-forwarded-") {
		return errOwnField
	}
	return checkToken(name)
}
