package exchange

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"nanofront/registry"
	"nanofront/terminator/http1"
)

// keyOf is the key by which the request's instance is chosen: the hash of what
// the route names, the same in every terminator. 0, which is no key, if the
// route names nothing or the request doesn't have it.
func keyOf(h registry.Hash, x *Exchange) uint64 {
	var value []byte
	switch h.Source {
	case registry.HashNone:
		return 0
	case registry.HashPath:
		value = x.msg.Path
	case registry.HashClient:
		value = x.msg.Client
	case registry.HashQuery:
		value = queryParameter(x.msg.Query, h.Name)
	case registry.HashHeader:
		value = headerField(x, h.Name)
	case registry.HashCookie:
		value = cookieValue(x, h.Name)
	}
	if len(value) == 0 {
		return 0
	}
	return max(xxhash.Sum64(value), 1)
}

// valueOf returns what follows NAME= if pair begins with it.
func valueOf(pair []byte, name string) ([]byte, bool) {
	if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
		return pair[len(name)+1:], true
	}
	return nil, false
}

// queryParameter returns the first value of that name, as it was sent.
// Decoding it would only bring together what is spelled in two ways, and the
// programs that make links spell a value in one.
func queryParameter(query []byte, name string) []byte {
	for pair := range bytes.SplitSeq(query, []byte{'&'}) {
		if v, ok := valueOf(pair, name); ok {
			return v
		}
	}
	return nil
}

// headerField returns the first field of that name, which is in lower case.
func headerField(x *Exchange, name string) []byte {
	for i := range x.header.fields {
		if http1.EqualLower(x.header.fields[i].Name, name) {
			return x.header.fields[i].Value
		}
	}
	return nil
}

// cookieValue returns the first cookie of that name. A client should send one field Cookie (RFC
// 6265 section 5.4); if there are several, all of them count.
func cookieValue(x *Exchange, name string) []byte {
	for i := range x.header.fields {
		if !http1.EqualLower(x.header.fields[i].Name, "cookie") {
			continue
		}
		for pair := range bytes.SplitSeq(x.header.fields[i].Value, []byte{';'}) {
			if v, ok := valueOf(http1.TrimOWS(pair), name); ok {
				return v
			}
		}
	}
	return nil
}
