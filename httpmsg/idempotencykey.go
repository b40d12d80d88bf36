package httpmsg

import (
	"bytes"
	"errors"
	"fmt"
)

var errKeys = errors.New("there is more than one Idempotency-Key: send one")

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 255

// IdempotencyKey returns the request's Idempotency-Key, nil if there is none. The field is a string
// as of RFC 9651 (draft-ietf-httpapi-idempotency-key-header), in quotes; parameters behind it are
// ignored. Most clients send a bare word instead, such as a UUID: that is the same key as with
// quotes. The error is for the client.
func (fs Fields) IdempotencyKey() ([]byte, error) {
	var value []byte
	found := false
	for i := range fs {
		if string(fs[i].Name) != "idempotency-key" {
			continue
		}
		if found {
			return nil, errKeys
		}
		value, found = fs[i].Value, true
	}
	if !found {
		return nil, nil
	}
	key, ok := parseKey(bytes.Trim(value, " \t"))
	if !ok {
		return nil, fmt.Errorf("Idempotency-Key is %.60q: want a string in quotes, or a word, of 1 to %d letters, digits and signs", value, maxKey)
	}
	return key, nil
}

func parseKey(b []byte) (key []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		for _, c := range b {
			if c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' {
				return nil, false
			}
		}
		return b, len(b) > 0 && len(b) <= maxKey
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			rest := bytes.TrimLeft(b[i+1:], " ")
			return key, len(key) > 0 && len(key) <= maxKey && (len(rest) == 0 || rest[0] == ';')
		case c == '\\':
			if i++; i == len(b) || b[i] != '"' && b[i] != '\\' {
				return nil, false
			}
			key = append(key, b[i])
		case c < ' ' || c >= 0x7f:
			return nil, false
		default:
			key = append(key, c)
		}
	}
	return nil, false // no quote at the end
}
