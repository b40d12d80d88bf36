package web

import (
	"bytes"

	"nanofront/handlers"
)

// The page of a member has the tag of its document with pageMark before the
// closing quote: the two differ, so their tags must.
const pageMark = "-h"

// appendPageTag appends the page's tag, given the document's.
func appendPageTag(dst, tag []byte) []byte {
	if len(tag) < 2 {
		return dst
	}
	dst = append(dst, tag[:len(tag)-1]...)
	return append(dst, pageMark+`"`...)
}

// documentTags makes tags of pages in a list (If-Match) those of their
// documents, which are what the profile service knows.
func documentTags(list []byte) []byte {
	return bytes.ReplaceAll(list, []byte(pageMark+`"`), []byte(`"`))
}

// noneMatch evaluates If-None-Match against the tag of what would be sent:
// false means that the client has it already. The comparison is the weak one
// (RFC 9110, section 13.1.2). Nothing is allocated.
func noneMatch(req *handlers.Request, tag []byte) bool {
	for i := range req.Header {
		if string(req.Header[i].Name) != "if-none-match" {
			continue
		}
		rest := req.Header[i].Value
		for len(rest) > 0 {
			var item []byte
			item, rest = nextTag(rest)
			if string(item) == "*" || bytes.Equal(bytes.TrimPrefix(item, weakMark), tag) {
				return false
			}
		}
	}
	return true
}

var weakMark = []byte("W/")

// nextTag cuts the first member off a list of entity tags. A comma within the
// quotes is part of the tag.
func nextTag(list []byte) (tag, rest []byte) {
	quoted := false
	for i, c := range list {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return bytes.TrimSpace(list[:i]), list[i+1:]
		}
	}
	return bytes.TrimSpace(list), nil
}
