package profile

import (
	"strconv"
	"strings"

	"nanofront/handlers"
)

// condition reads If-Match (RFC 9110, section 13.1.1): "*", or entity tags of
// which each is a version in quotes, as the header etag has it, or with a v
// before it. Several fields are one list. A weak tag never matches, a tag of
// anything else neither.
func condition(req *handlers.Request) (Condition, error) {
	var c Condition
	found := false
	for _, f := range req.Header {
		if string(f.Name) != "if-match" {
			continue
		}
		found = true
		for tag := range strings.SplitSeq(string(f.Value), ",") {
			switch tag = strings.TrimSpace(tag); {
			case tag == "":
			case tag == "*":
				c.Any = true
			case strings.HasPrefix(tag, "W/"):
			case len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"':
				return Condition{}, handlers.Status(400, "If-Match: %.60q is not an entity tag: send the record's etag, in its quotes, or *", tag)
			default:
				text := strings.TrimPrefix(tag[1:len(tag)-1], "v")
				if v, err := strconv.ParseUint(text, 10, 64); err == nil {
					c.Versions = append(c.Versions, v)
				}
			}
		}
	}
	if !found {
		return Condition{}, handlers.Status(428, "If-Match is missing: send the etag of the record that you read, so that you don't overwrite somebody else's change")
	}
	return c, nil
}
