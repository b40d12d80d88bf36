package recording

import (
	"net/http"
	"net/url"
	"strings"
)

// keptFields are the fields whose values are kept if they are what the name promises. All others
// are replaced: what isn't known may be a secret.
var keptFields = map[string]func(string) bool{
	"accept-encoding": isList, "accept-language": isList, "accept-ranges": isList, "allow": isList, "vary": isList,
	"cache-control": isList, "connection": isList, "content-encoding": isList, "content-language": isList, "pragma": isList,
	"dnt": isNumber, "upgrade-insecure-requests": isNumber, "sec-fetch-dest": isList, "sec-fetch-mode": isList,
	"sec-fetch-site": isList, "sec-fetch-user": isFlag, "save-data": isList, "x-requested-with": isList,
	"date": isDate, "expires": isDate, "last-modified": isDate, "if-modified-since": isDate, "if-unmodified-since": isDate,
	"age": isNumber, "content-length": isNumber, "max-forwards": isNumber, "retry-after": isNumber,
	"range": isRange, "content-range": isRange, "x-forwarded-proto": isScheme, "x-accel-buffering": isList,
	"x-content-type-options": isList, "x-frame-options": isList, "referrer-policy": isList,
}

// credentials are the parts of names that a value is a credential by.
var credentials = []string{
	"auth", "cookie", "token", "secret", "passw", "passwd", "pwd", "session", "credential", "signature", "apikey", "api-key", "api_key",
	"access-key", "access_key", "jwt", "csrf", "xsrf", "private", "otp", "assertion",
}

// isCredential reports whether a value is a credential by the name in lower case.
func isCredential(name string) bool {
	name = strings.ReplaceAll(name, "authoriz", "auth-") // an author is none
	name = strings.ReplaceAll(name, "author", "")
	for _, c := range credentials {
		if strings.Contains(name, c) {
			return true
		}
	}
	switch name {
	case "sid", "key", "sig", "pin", "code", "state", "nonce", "hmac", "pass":
		return true
	}
	return false
}

// isPlain reports whether s has 1 to most letters, digits and others.
func isPlain(s string, most int, others string) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isToken reports whether a word looks as if a program had drawn it, or as an address or a number
// that stands for somebody.
func isToken(s string) bool {
	if len(s) > 64 || hasJSON(s) || !isPlain(s, 64, "-._~+,!'()*$[]") {
		return true
	}
	var digits, lower, upper, others int
	run := 0 // the longest run of letters and digits
	at := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z':
			lower++
		case 'A' <= c && c <= 'Z':
			upper++
		default:
			others++
			at = i + 1
		}
		run = max(run, i+1-at)
	}
	switch {
	case digits == 0:
		return run >= 28 || lower > 0 && upper > 0 && run >= 20
	case digits == len(s):
		return digits >= 10
	case shapeOf(s) != shapeText: // hexadecimal, 12 and more, or a UUID
		return true
	case lower > 0 && upper > 0:
		return run >= 10 || len(s) >= 16
	default:
		return digits >= 3 && len(s) >= 12 && others < len(s)/4 || len(s) >= 20
	}
}

// hasJSON reports whether a part of a word is base64 of JSON, as the parts of a JSON Web Token are,
// in whatever case it was brought to.
func hasJSON(s string) bool {
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r > 0x7f || !isAlphanumeric(byte(r)) }) {
		if strings.HasPrefix(part, "eyJ") || len(part) >= 12 && strings.HasPrefix(part, "eyj") {
			return true
		}
	}
	return false
}

// isList reports whether s is a list of short words that none looks like a token.
func isList(s string) bool {
	if len(s) > 256 {
		return false
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(" \t,;=\"", r) }) {
		if !isPlain(word, 32, "-._*/:") || isToken(strings.Map(func(r rune) rune {
			if r == '/' || r == ':' {
				return '-'
			}
			return r
		}, word)) {
			return false
		}
	}
	return true
}

func isNumber(s string) bool {
	return s == "" || len(s) <= 10 && strings.Trim(s, "0123456789") == ""
}

func isFlag(s string) bool { return s == "?0" || s == "?1" }

func isScheme(s string) bool { return s == "http" || s == "https" }

func isDate(s string) bool {
	_, err := http.ParseTime(s)
	return err == nil
}

// isRange reports whether s is a Range or Content-Range in bytes.
func isRange(s string) bool {
	rest, ok := strings.CutPrefix(s, "bytes")
	return ok && len(rest) <= 64 && strings.Trim(rest, "=, -/*0123456789") == ""
}

// decoded is a part of a query with its escapes taken away, so that a value has the same pseudonym
// however it was written; or as it is if they are wrong.
func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}
