// Package http1test has requests for tests of all that reads HTTP/1.
package http1test

import (
	"slices"
	"strings"
)

// The limits that Cases are made for.
const (
	MaxBody = 1000
	MaxHead = 10_000
)

// Case is a stream of bytes and the statuses that it must get. Open: the connection must then still
// take a request; otherwise nothing that follows may be served.
type Case struct {
	Name string
	Raw  string
	Want []int
	Open bool
}

// Cases are requests of all kinds, in order and out of it, for limits of MaxBody and MaxHead bytes,
// 100 fields, and targets of 8000 bytes.
func Cases() []Case {
	get := func(line string, fields ...string) string {
		return line + "\r\n" + strings.Join(append(fields, "", ""), "\r\n")
	}
	host := "Host: a"
	var cases []Case
	ok := func(name, raw string, want ...int) {
		if len(want) == 0 {
			want = []int{200}
		}
		cases = append(cases, Case{Name: name, Raw: raw, Want: want, Open: true})
	}
	bad := func(name string, status int, raw string) {
		cases = append(cases, Case{Name: name, Raw: raw, Want: []int{status}})
	}

	// What is in order.
	ok("plain", get("GET / HTTP/1.1", host))
	ok("no white space around values", get("GET / HTTP/1.1", "Host:a", "X:y"))
	ok("white space around values", get("GET / HTTP/1.1", "Host: \t a \t", "X: \t y z\t"))
	ok("empty value", get("GET / HTTP/1.1", host, "X:", "Y: "))
	ok("obs-text in a value", get("GET / HTTP/1.1", host, "X: caf\xe9"))
	ok("every token character in a name", get("GET / HTTP/1.1", host, "!#$%&'*+-.^_`|~09azAZ: x"))
	ok("every token character in a method", get("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", host))
	ok("odd but valid target bytes", get("GET /a\"<>^`{|}[]'?q=\"<>{}?/ HTTP/1.1", host))
	ok("percent-encodings are left to the router", get("GET /%00%zz%2f HTTP/1.1", host))
	ok("HTTP/1.0 without Host, kept alive", get("GET / HTTP/1.0", "Connection: keep-alive"))
	ok("HTTP/1.0 ignores Expect", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: nonsense\r\nContent-Length: 2\r\n\r\nab")
	ok("absolute-form", get("GET http://a/x?y HTTP/1.1", host))
	ok("absolute-form of https with upper case", get("GET HTTPS://A:8443/x HTTP/1.1", "Host: a:8443"))
	ok("absolute-form without a path", get("GET http://a HTTP/1.1", host))
	ok("absolute-form in HTTP/1.0 without Host", get("GET http://a/ HTTP/1.0", "Connection: keep-alive"))
	ok("absolute-form with the scheme's port", get("GET http://a:80/ HTTP/1.1", host))
	ok("absolute-form without the port that Host has", get("GET https://A/ HTTP/1.1", "Host: a:443"))
	ok("absolute-form with an empty port", get("GET http://a:/ HTTP/1.1", host))
	ok("absolute-form with a port spelt otherwise", get("GET http://a:0081/ HTTP/1.1", "Host: a:81"))
	ok("absolute-form of an IPv6 address spelt otherwise", get("GET http://[::1]:80/ HTTP/1.1", "Host: [0:0:0:0:0:0:0:1]"))
	ok("empty port", get("GET / HTTP/1.1", "Host: a:"))
	ok("backslash in the query", get(`GET /a?b\c HTTP/1.1`, host))
	ok("backslash in the query of an absolute-form", get(`GET http://a?\ HTTP/1.1`, host))
	ok("asterisk-form", get("OPTIONS * HTTP/1.1", host))
	ok("IPv6 host", get("GET / HTTP/1.1", "Host: [::1]:8080"))
	ok("IPv4-mapped host", get("GET / HTTP/1.1", "Host: [::ffff:192.0.2.1]"))
	ok("underscore in the host", get("GET / HTTP/1.1", "Host: my_service.local"))
	ok("one empty line before", "\r\n"+get("GET / HTTP/1.1", host))
	ok("one empty line between", get("GET / HTTP/1.1", host)+"\r\n"+get("GET /2 HTTP/1.1", host), 200, 200)
	ok("100 fields", get("GET / HTTP/1.1", append([]string{host}, slices.Repeat([]string{"X: y"}, 99)...)...))
	ok("target of 8000 bytes", get("GET /"+strings.Repeat("a", 7999)+" HTTP/1.1", host))
	ok("head as large as allowed", get("GET / HTTP/1.1", host, "X: "+strings.Repeat("y", MaxHead-16-9-3-4)))
	ok("body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	ok("body of a GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	ok("body that looks like a request", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	ok("Content-Length: 0", get("POST / HTTP/1.1", host, "Content-Length: 0"))
	ok("body as large as allowed", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("b", 1000))
	chunked := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	ok("chunked", chunked+"3\r\nabc\r\n0\r\n\r\n")
	ok("chunked, upper case", "POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING:CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	ok("chunked, several", chunked+"3\r\nabc\r\nA\r\n0123456789\r\n00000001\r\nx\r\n00\r\n\r\n")
	ok("chunked, empty", chunked+"0\r\n\r\n")
	ok("chunked, CRLF in the data", chunked+"4\r\n\r\n\r\n\r\n0\r\n\r\n")
	ok("chunked, as large as allowed", chunked+"3e8\r\n"+strings.Repeat("b", 1000)+"\r\n0\r\n\r\n")
	ok("Expect with body", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab", 100, 200)
	ok("Expect with chunks", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 100, 200)
	ok("Expect without body", get("GET / HTTP/1.1", host, "Expect: 100-continue"), 100, 200)
	ok("pipelined", strings.Repeat(get("GET / HTTP/1.1", host), 5), 200, 200, 200, 200, 200)
	ok("pipelined bodies", strings.Repeat(chunked+"1\r\na\r\n0\r\n\r\nPUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb", 2), 200, 200, 200, 200)
	ok("names near the interesting ones", get("GET / HTTP/1.1", host, "Hose: x", "Expeqt: x", "Content-Lengtf: x", "Transfer-Encodinf: x", "Hos_: x"))

	// Request line.
	bad("no method", 400, get(" / HTTP/1.1", host))
	bad("method with a bad byte", 400, get("G(T / HTTP/1.1", host))
	bad("method in quotes", 400, get("\"GET\" / HTTP/1.1", host))
	bad("two spaces after the method", 400, get("GET  / HTTP/1.1", host))
	bad("two spaces before the version", 400, get("GET /  HTTP/1.1", host))
	bad("space after the version", 400, get("GET / HTTP/1.1 ", host))
	bad("space in the target", 400, get("GET /a b HTTP/1.1", host))
	bad("tab for space", 400, get("GET\t/ HTTP/1.1", host))
	bad("no target", 400, get("GET HTTP/1.1", host))
	bad("empty target", 400, get("GET  HTTP/1.1", host))
	bad("method alone", 400, get("GET", host))
	bad("HTTP/0.9", 400, "GET /\r\n")
	bad("HTTP/0.9 with a space", 400, "GET / \r\n")
	bad("version in lower case", 400, get("GET / http/1.1", host))
	bad("version with two digits", 400, get("GET / HTTP/1.10", host))
	bad("version without minor", 400, get("GET / HTTP/1", host))
	bad("version with letters", 400, get("GET / HTTP/1.x", host))
	bad("another protocol", 400, get("GET / ICY/1.1", host))
	bad("HTTP/0.9 spelt out", 505, get("GET / HTTP/0.9", host))
	bad("HTTP/1.2", 505, get("GET / HTTP/1.2", host))
	bad("HTTP/2.0", 505, get("GET / HTTP/2.0", host))
	bad("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	bad("CONNECT", 501, get("CONNECT a:80 HTTP/1.1", "Host: a:80"))
	bad("TRACE", 501, get("TRACE / HTTP/1.1", host))
	bad("method of 33 bytes", 501, get(strings.Repeat("A", 33)+" / HTTP/1.1", host))
	bad("method of 300 bytes", 501, get(strings.Repeat("A", 300)+" / HTTP/1.1", host))
	bad("field name of 256 bytes", 431, get("GET / HTTP/1.1", host, strings.Repeat("a", 256)+": 1"))
	bad("target of 8001 bytes", 414, get("GET /"+strings.Repeat("a", 8000)+" HTTP/1.1", host))
	bad("endless request line", 414, "GET /"+strings.Repeat("a", 30_000))
	bad("endless method", 501, strings.Repeat("A", 30_000))
	bad("long method before a control byte", 501, strings.Repeat("A", 33)+" /\x00")
	bad("endless nonsense in place of a method", 400, strings.Repeat("/", 30_000))
	bad("fragment", 400, get("GET /a#b HTTP/1.1", host))
	bad("backslash in the path", 400, get(`GET /a\b?c HTTP/1.1`, host))
	bad("backslash in the authority", 400, get(`GET http://a\b/?c HTTP/1.1`, host))
	bad("backslash after a fragment", 400, get(`GET /a#?b\c HTTP/1.1`, host))
	bad("non-ASCII target", 400, get("GET /\xc3\xa9 HTTP/1.1", host))
	bad("overlong slash in the target", 400, get("GET /..\xc0\xaf.. HTTP/1.1", host))
	bad("DEL in the target", 400, get("GET /\x7f HTTP/1.1", host))
	bad("NUL in the target", 400, get("GET /\x00 HTTP/1.1", host))
	bad("relative target", 400, get("GET a HTTP/1.1", host))
	bad("authority-form", 400, get("GET a:80 HTTP/1.1", "Host: a:80"))
	bad("query alone", 400, get("GET ?a HTTP/1.1", host))
	bad("asterisk with GET", 400, get("GET * HTTP/1.1", host))
	bad("asterisk and more", 400, get("OPTIONS *a HTTP/1.1", host))
	bad("another scheme", 400, get("GET ftp://a/ HTTP/1.1", host))
	bad("scheme without slashes", 400, get("GET http:a HTTP/1.1", host))
	bad("absolute-form without host", 400, get("GET http:///x HTTP/1.1", host))
	bad("absolute-form of another host", 400, get("GET http://b/ HTTP/1.1", host))
	bad("absolute-form of another port", 400, get("GET http://a:81/ HTTP/1.1", host))
	bad("absolute-form of the other scheme's port", 400, get("GET http://a:443/ HTTP/1.1", host))
	bad("absolute-form of https against the port of http", 400, get("GET https://a/ HTTP/1.1", "Host: a:80"))
	bad("absolute-form of another IPv6 address", 400, get("GET http://[::1]/ HTTP/1.1", "Host: [::2]"))
	bad("absolute-form with user information", 400, get("GET http://u:p@a/ HTTP/1.1", host))
	bad("absolute-form without Host field", 400, get("GET http://a/ HTTP/1.1"))
	bad("bare LF ends the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n")
	bad("bare CR in the request line", 400, "GET / HTTP/1.1\rHost: a\r\n\r\n")
	bad("LF before the request line", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	bad("two empty lines before", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	bad("CR before the request line", 400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	bad("TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

	// Header fields.
	bad("bare LF ends a field", 400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n")
	bad("bare LF ends the head", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n")
	bad("bare CR in a value", 400, get("GET / HTTP/1.1", host, "X: y\rz"))
	bad("CR CR LF", 400, get("GET / HTTP/1.1", host+"\r", "X: y"))
	bad("NUL in a value", 400, get("GET / HTTP/1.1", host, "X: y\x00z"))
	bad("control byte in a value", 400, get("GET / HTTP/1.1", host, "X: y\x01z"))
	bad("DEL in a value", 400, get("GET / HTTP/1.1", host, "X: y\x7fz"))
	bad("NUL in a name", 400, get("GET / HTTP/1.1", host, "X\x00: y"))
	bad("folded field", 400, get("GET / HTTP/1.1", host, "X: y", " z"))
	bad("folded field with a tab", 400, get("GET / HTTP/1.1", host, "X: y", "\tz"))
	bad("fold before the first field", 400, get("GET / HTTP/1.1", " X: y", host))
	bad("space before the colon", 400, get("GET / HTTP/1.1", host, "X : y"))
	bad("tab before the colon", 400, get("GET / HTTP/1.1", host, "X\t: y"))
	bad("Transfer-Encoding with space before the colon", 400, get("POST / HTTP/1.1", host, "Transfer-Encoding : chunked"))
	bad("empty name", 400, get("GET / HTTP/1.1", host, ": y"))
	bad("no colon", 400, get("GET / HTTP/1.1", host, "X y"))
	bad("bad byte in a name", 400, get("GET / HTTP/1.1", host, "X@: y"))
	bad("non-ASCII name", 400, get("GET / HTTP/1.1", host, "\xc3\xa9: y"))
	bad("101 fields", 431, get("GET / HTTP/1.1", append([]string{host}, slices.Repeat([]string{"X: y"}, 100)...)...))
	bad("head one byte too large", 431, get("GET / HTTP/1.1", host, "X: "+strings.Repeat("y", MaxHead-16-9-3-4+1)))
	bad("endless field", 431, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("y", 30_000))
	bad("no Host", 400, get("GET / HTTP/1.1", "X: y"))
	bad("no fields", 400, "GET / HTTP/1.1\r\n\r\n")
	bad("two Hosts", 400, get("GET / HTTP/1.1", host, host))
	bad("empty Host", 400, get("GET / HTTP/1.1", "Host:"))
	bad("empty Host in HTTP/1.0", 400, get("GET / HTTP/1.0", "Host: ", "Connection: keep-alive"))
	bad("user information in Host", 400, get("GET / HTTP/1.1", "Host: u@a"))
	bad("slash in Host", 400, get("GET / HTTP/1.1", "Host: a/b"))
	bad("comma in Host", 400, get("GET / HTTP/1.1", "Host: a,b"))
	bad("space in Host", 400, get("GET / HTTP/1.1", "Host: a b"))
	bad("port that isn't a number", 400, get("GET / HTTP/1.1", "Host: a:b"))
	bad("port too large", 400, get("GET / HTTP/1.1", "Host: a:65536"))
	bad("broken IPv6 host", 400, get("GET / HTTP/1.1", "Host: [::1"))
	bad("IPv6 zone", 400, get("GET / HTTP/1.1", "Host: [fe80::1%25eth0]"))
	bad("bad expectation", 417, get("POST / HTTP/1.1", host, "Expect: tea", "Content-Length: 2")+"ab")

	// Body framing.
	post := func(fields ...string) string {
		return get("POST / HTTP/1.1", append([]string{host}, fields...)...)
	}
	bad("two Content-Lengths", 400, post("Content-Length: 2", "Content-Length: 2")+"ab")
	bad("two different Content-Lengths", 400, post("Content-Length: 2", "Content-Length: 3")+"ab")
	bad("list of Content-Lengths", 400, post("Content-Length: 2, 2")+"ab")
	bad("empty Content-Length", 400, post("Content-Length:"))
	bad("signed Content-Length", 400, post("Content-Length: +2")+"ab")
	bad("negative Content-Length", 400, post("Content-Length: -2"))
	bad("hex Content-Length", 400, post("Content-Length: 0x2")+"ab")
	bad("Content-Length with underscore digits", 400, post("Content-Length: 1_0")+"ab")
	bad("leading zeros in Content-Length", 400, post("Content-Length: 002")+"ab")
	bad("Content-Length: 00", 400, post("Content-Length: 00"))
	bad("Content-Length of 19 digits", 400, post("Content-Length: 1000000000000000000"))
	bad("Content-Length beyond 64 bits", 400, post("Content-Length: 18446744073709551618")+"ab")
	bad("Content-Length of 18 digits", 413, post("Content-Length: 999999999999999999"))
	bad("body one byte too large", 413, post("Content-Length: 1001")+strings.Repeat("b", 1001))
	bad("Expect for a body too large", 413, post("Expect: 100-continue", "Content-Length: 1001"))
	bad("underscore in Content-Length", 400, post("Content_Length: 2"))
	bad("underscore in Content-Length, after the real one", 400, post("Content-Length: 2", "CONTENT_LENGTH: 0")+"ab")
	bad("underscore in Transfer-Encoding", 400, post("transfer_encoding: chunked"))
	smuggled := "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	bad("CL.TE", 400, post("Content-Length: 6", "Transfer-Encoding: chunked")+smuggled)
	bad("TE.CL", 400, post("Transfer-Encoding: chunked", "Content-Length: 4")+smuggled)
	bad("CL 0 with TE", 400, post("Content-Length: 0", "Transfer-Encoding: chunked")+smuggled)
	bad("TE identity", 501, post("Transfer-Encoding: identity", "Content-Length: 4")+smuggled)
	bad("TE gzip", 501, post("Transfer-Encoding: gzip")+smuggled)
	bad("TE gzip, chunked", 501, post("Transfer-Encoding: gzip, chunked")+smuggled)
	bad("TE chunked, gzip", 400, post("Transfer-Encoding: chunked, gzip")+smuggled)
	bad("TE chunked, chunked", 400, post("Transfer-Encoding: chunked, chunked")+smuggled)
	bad("TE chunked twice", 400, post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")+smuggled)
	bad("TE chunked and identity", 501, post("Transfer-Encoding: identity", "Transfer-Encoding: chunked")+smuggled)
	bad("TE xchunked", 501, post("Transfer-Encoding: xchunked")+smuggled)
	bad("TE with a trailing comma", 400, post("Transfer-Encoding: chunked,")+smuggled)
	bad("TE with a parameter", 400, post("Transfer-Encoding: chunked;q=1")+smuggled)
	bad("TE in quotes", 400, post("Transfer-Encoding: \"chunked\"")+smuggled)
	bad("TE with a vertical tab", 400, post("Transfer-Encoding: \x0bchunked")+smuggled)
	bad("TE empty", 400, post("Transfer-Encoding:")+smuggled)
	bad("TE folded", 400, post("Transfer-Encoding:", " chunked")+smuggled)
	bad("TE in HTTP/1.0", 400, get("POST / HTTP/1.0", host, "Connection: keep-alive", "Transfer-Encoding: chunked")+smuggled)

	// Chunks.
	for _, c := range []struct{ name, body string }{
		{"empty extension", "3;\r\nabc\r\n0\r\n\r\n"},
		{"extension without a value", "3;x=\r\nabc\r\n0\r\n\r\n"},
		{"extension of two words", "3;x y\r\nabc\r\n0\r\n\r\n"},
		{"extension with an open quote", "3;x=\"y\r\nabc\r\n0\r\n\r\n"},
		{"extension with a control byte", "3;x=\"\x00\"\r\nabc\r\n0\r\n\r\n"},
		{"extension ended by CR", "3;x\rabc\r\n0\r\n\r\n"},
		{"white space behind an extension", "3;x \r\nabc\r\n0\r\n\r\n"},
		{"words after the size", "3 x\r\nabc\r\n0\r\n\r\n"},
		{"LF in an extension", "3;x\nabc\r\n0\r\n\r\n"},
		{"space after the size", "3 \r\nabc\r\n0\r\n\r\n"},
		{"space before the size", " 3\r\nabc\r\n0\r\n\r\n"},
		{"tab after the size", "3\t\r\nabc\r\n0\r\n\r\n"},
		{"no size", "\r\nabc\r\n0\r\n\r\n"},
		{"negative size", "-3\r\nabc\r\n0\r\n\r\n"},
		{"0x", "0x3\r\nabc\r\n0\r\n\r\n"},
		{"size not hex", "g\r\nabc\r\n0\r\n\r\n"},
		{"size of 9 digits", "000000003\r\nabc\r\n0\r\n\r\n"},
		{"size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"},
		{"size ended by LF", "3\nabc\r\n0\r\n\r\n"},
		{"size ended by CR", "3\rabc\r\n0\r\n\r\n"},
		{"size ended by CR CR LF", "3\r\r\nabc\r\n0\r\n\r\n"},
		{"data ended by LF", "3\r\nabc\n0\r\n\r\n"},
		{"data ended by CR", "3\r\nabc\r0\r\n\r\n"},
		{"data longer than the size", "3\r\nabcd\r\n0\r\n\r\n"},
		{"data shorter than the size", "4\r\nabc\r\n0\r\n\r\n"},
		{"last chunk ended by LF", "0\n\r\n"},
		{"end by LF", "0\r\n\n"},
		{"trailer with space before the colon", "0\r\nX : y\r\n\r\n"},
		{"trailer without a colon", "0\r\nX\r\n\r\n"},
		{"trailer without a name", "0\r\n: y\r\n\r\n"},
		{"folded trailer", "0\r\nX: y\r\n z\r\n\r\n"},
		{"control byte in a trailer", "0\r\nX: \x00\r\n\r\n"},
		{"bare CR in a trailer", "0\r\nX: y\rz\r\n\r\n"},
		{"trailer ended by LF", "0\r\nX: y\n\n"},
		{"request in place of the end", "0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"CR without LF at the end", "0\r\n\rGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"},
	} {
		bad("chunk: "+c.name, 400, chunked+c.body)
	}
	extras := func(name string, status int, body string) {
		cases = append(cases, Case{Name: "chunk: " + name, Raw: chunked + body, Want: []int{status}, Open: status == 200})
	}
	extras("extension", 200, "3;x=y\r\nabc\r\n0\r\n\r\n")
	extras("extension without a value", 200, "3;x\r\nabc\r\n0\r\n\r\n")
	extras("extensions with white space and quotes", 200, "3 \t; x = y ;z=\"a;\\\"\t\xe9\"\r\nabc\r\n0\r\n\r\n")
	extras("extension on the last chunk", 200, "0;x=\"\"\r\n\r\n")
	extras("extension on each chunk, more together than a head may have", 200,
		strings.Repeat("64;signature="+strings.Repeat("f", 990)+"\r\n"+strings.Repeat("b", 100)+"\r\n", 10)+"0\r\n\r\n")
	extras("long extension", 431, "3;"+strings.Repeat("x", 64<<10)+"\r\nabc\r\n0\r\n\r\n")
	extras("many extensions around nothing", 431, strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 150)+"0\r\n\r\n")
	extras("trailer", 200, "0\r\nX: y\r\n\r\n")
	extras("trailers", 200, "3\r\nabc\r\n0\r\nX: y\r\nEmpty:\r\nX:\tcaf\xe9\r\n\r\n")
	extras("Content-Length as trailer", 200, "0\r\nContent-Length: 5\r\n\r\n")
	extras("Transfer-Encoding and Host as trailers", 200, "0\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n")
	extras("100 trailers", 200, "0\r\n"+strings.Repeat("X: y\r\n", 100)+"\r\n")
	extras("101 trailers", 431, "0\r\n"+strings.Repeat("X: y\r\n", 101)+"\r\n")
	extras("trailer with a name of 256 bytes", 431, "0\r\n"+strings.Repeat("a", 256)+": y\r\n\r\n")
	extras("endless trailer", 431, "0\r\nX: "+strings.Repeat("y", 30_000))
	bad("chunk too large", 413, chunked+"3e9\r\n")
	bad("chunks too large together", 413, chunked+"3e8\r\n"+strings.Repeat("b", 1000)+"\r\n1\r\n")
	bad("huge chunk", 413, chunked+"ffffffff\r\n")

	// Good and bad in one go.
	for _, n := range []int{1, 3} {
		good := strings.Repeat(get("GET /g HTTP/1.1", host), n)
		cases = append(cases,
			Case{Name: "good, then bad head", Raw: good + get("GET /a#b HTTP/1.1", host), Want: append(slices.Repeat([]int{200}, n), 400)},
			Case{Name: "good, then bad chunk", Raw: good + chunked + "3;\r\n", Want: append(slices.Repeat([]int{200}, n), 400)},
			Case{Name: "good, then LF", Raw: good + "\n", Want: append(slices.Repeat([]int{200}, n), 400)},
			Case{Name: "good, empty line, then bad", Raw: good + "\r\nx\r\n", Want: append(slices.Repeat([]int{200}, n), 400)},
			Case{Name: "good with body, then bad", Raw: strings.Repeat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", n) + "\x00", Want: append(slices.Repeat([]int{200}, n), 400)},
		)
	}
	return cases
}

// Bytewise is raw in pieces of one byte.
func Bytewise(raw string) [][]byte {
	pieces := make([][]byte, len(raw))
	for i := range pieces {
		pieces[i] = []byte{raw[i]}
	}
	return pieces
}

// Samples are what browsers and load generators send, by their size.
var Samples = []string{
	"GET /profile/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
	"GET /profile/42 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: load/1.0\r\nAccept: application/json\r\n" +
		"Accept-Encoding: gzip\r\nX-Request-Id: 0123456789abcdef\r\n\r\n",
	"GET /profile/42?lang=en&full=1 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Accept-Language: en-GB,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 512\r\nContent-Type: text/plain\r\n\r\n" +
		string(make([]byte, 512)),
}
