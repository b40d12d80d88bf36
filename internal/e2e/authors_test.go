package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	helpers "nanofront/examples"
)

// authored are handlers whose author makes use, and mistakes: on each line of the table what
// answers a path.
var authored = map[string]struct{ file, before, line, after string }{
	"python": {
		file: "handler.py",
		before: "import json, sys\nfrom nanofront import Response, serve\n\ndef deep():\n    raise RuntimeError('lost')\n\n" +
			"def handle(request):\n    answers = {\n",
		line:  "        '/%s': lambda: %s,\n",
		after: "    }\n    return answers[request.path]()\n\nserve(handle, *sys.argv[1:])\n",
	},
	"node": {
		file: "handler.js",
		before: "const { serve } = require('./nanofront')\n\nclass Own {}\n\nfunction deep () { throw new RangeError('lost') }\n\n" +
			"async function handle (request) {\n  const answers = {\n",
		line:  "    '/%s': () => %s,\n",
		after: "  }\n  return answers[request.path]()\n}\n\nserve(handle, ...process.argv.slice(2))\n",
	},
}

// answersOf are what the handlers return: what the client gets, or what the log says after file and
// line.
var answersOf = map[string][]struct {
	path, returns string
	status        int
	kind, body    string
	line          int // where the mistake is said to be: 0 where it stands, else at that line
	log           string
}{
	"python": {
		{path: "text", returns: "'Zoë'", status: 200, kind: "text/plain; charset=utf-8", body: "Zoë"},
		{path: "bytes", returns: `b'\x00\xff'`, status: 200, body: "\x00\xff"},
		{path: "dict", returns: "{'name': 'Zoë', 'n': 1}", status: 200, kind: "application/json", body: `{"name":"Zoë","n":1}`},
		{path: "list", returns: "[1, None]", status: 200, kind: "application/json", body: "[1,null]"},
		{path: "response", returns: "Response(404, {'X-A': 1}, {'none': True})", status: 404, kind: "application/json", body: `{"none":true}`},
		{path: "kind", returns: "Response(body='<p>', headers=[('Content-Type', 'text/html')])", status: 200, kind: "text/html", body: "<p>"},
		{path: "empty", returns: "Response(204)", status: 204},
		{path: "number", returns: "7", line: 7, log: "TypeError: returned 7 (int): want Response, str, bytes, dict or list"},
		{path: "none", returns: "None", line: 7, log: "TypeError: returned None (NoneType): want"},
		{path: "pair", returns: "(200, 'text')", line: 7, log: "TypeError: returned (200, 'text') (tuple): want"},
		{path: "set", returns: "{'set': {1}}", line: 7, log: "TypeError: Object of type set is not JSON serializable"},
		{path: "status", returns: "Response('text')", log: "ValueError: status 'text': want a number from 200 to 599"},
		{path: "early", returns: "Response(100)", log: "ValueError: status 100: want"},
		{path: "body", returns: "Response(body=1.5)", log: "TypeError: a body 1.5 (float): want bytes, str, dict or list"},
		{path: "field", returns: "Response(headers={'x-a': None})", log: "ValueError: header field ('x-a', None): want (name, value)"},
		{path: "pairs", returns: "Response(headers=['ab'])", log: "ValueError: header field 'ab': want (name, value)"},
		{path: "raises", returns: "deep()", line: 5, log: "RuntimeError: lost\n"},
		{path: "library", returns: "json.loads('{')", log: "json.decoder.JSONDecodeError: Expecting"},
		{path: "exits", returns: "sys.exit(3)", log: "SystemExit: 3"},
		{path: "large", returns: "'x' * (1 << 20)", line: 7, log: "a response of 1048"},
	},
	"node": {
		{path: "text", returns: "'Zoë'", status: 200, kind: "text/plain; charset=utf-8", body: "Zoë"},
		{path: "bytes", returns: "Buffer.from([0, 255])", status: 200, body: "\x00\xff"},
		{path: "object", returns: "({ name: 'Zoë', n: 1 })", status: 200, kind: "application/json", body: `{"name":"Zoë","n":1}`},
		{path: "array", returns: "[1, null]", status: 200, kind: "application/json", body: "[1,null]"},
		{path: "response", returns: "({ status: 404, headers: { 'X-A': 1 }, body: { none: true } })", status: 404, kind: "application/json", body: `{"none":true}`},
		{path: "kind", returns: "({ body: '<p>', headers: [['Content-Type', 'text/html']] })", status: 200, kind: "text/html", body: "<p>"},
		{path: "empty", returns: "({ status: 204 })", status: 204},
		{path: "number", returns: "7", line: 7, log: "a body 7: want text, bytes, an array or a plain object"},
		{path: "none", returns: "undefined", line: 7, log: "returned undefined: want a response, text"},
		{path: "mixed", returns: "({ status: 'up', name: 'Ann' })", line: 7, log: "returned a response with the key 'name': to send the whole object as JSON, return it as { body }"},
		{path: "status", returns: "({ status: 'text' })", line: 7, log: "status 'text': want a number from 200 to 599"},
		{path: "own", returns: "new Own()", line: 7, log: "a body Own {}: want"},
		{path: "big", returns: "({ n: 1n })", line: 7, log: "Do not know how to serialize a BigInt"},
		{path: "field", returns: "({ headers: { 'x-a': null } })", line: 7, log: "header field [ 'x-a', null ]: want a name and a value"},
		{path: "pairs", returns: "({ headers: ['ab'] })", line: 7, log: "header field 'ab': want"},
		{path: "throws", returns: "deep()", line: 5, log: "RangeError: lost\n"},
		{path: "library", returns: "JSON.parse('{')", log: "SyntaxError: Expected"},
		{path: "string", returns: "Promise.reject('no')", line: 7, log: "threw 'no'"},
		{path: "large", returns: "'x'.repeat(1 << 20)", line: 7, log: "a response of 1048"},
	},
}

// TestLanguages_Authors: what an author may return, and that what can't be sent, or isn't caught,
// is a 500 for the client and a line in the log that begins with the author's file and line.
func TestLanguages_Authors(t *testing.T) {
	t.Parallel()
	for name, code := range authored {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, dir := languages[name](t), t.TempDir()
			source, lines := code.before, map[string]int{}
			for _, a := range answersOf[name] {
				lines[a.path] = strings.Count(source, "\n") + 1
				source += fmt.Sprintf(code.line, a.path, a.returns)
			}
			entries, err := helpers.Files.ReadDir(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{code.file: []byte(source + code.after)}
			for _, e := range entries {
				if files[e.Name()], err = helpers.Files.ReadFile(name + "/" + e.Name()); err != nil {
					t.Fatal(err)
				}
			}
			for file, content := range files {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			main := filepath.Join(dir, code.file)
			l.args = []string{main}
			address := "tcp://" + freeAddr(t)
			h := l.start(t, address)
			f := startFrontOf(t, address)
			linked(t, f.admin, "greeter", 1)
			for _, a := range answersOf[name] {
				r := ask(t, f.http, get("/"+a.path))
				if a.log == "" {
					r.wants(t, a.status, a.path)
					if r.body != a.body || r.header.Get("Content-Type") != a.kind {
						t.Errorf("%s: %s came as %q, want %q; as %q, want %q", a.path, a.returns, r.body, a.body, r.header.Get("Content-Type"), a.kind)
					}
					continue
				}
				if a.path != "large" { // which has a code of its own
					r.wants(t, 500, a.path)
					r.isError(t, a.path)
				}
				if a.line == 0 {
					a.line = lines[a.path]
				}
				h.says(t, fmt.Sprintf("GET /%s: %s:%d: %s", a.path, main, a.line, a.log))
			}
		})
	}
}
