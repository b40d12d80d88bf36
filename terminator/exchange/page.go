package exchange

import (
	"fmt"
	"net/http"
	"unicode"

	"nanofront/httpmsg"
)

// pageFields are those of a refusal as a page. It is not to be kept: a cache
// would give it to clients that can't read it.
var pageFields = httpmsg.Fields{
	{Name: []byte("Content-Type"), Value: []byte("text/html; charset=utf-8")},
	{Name: []byte("Cache-Control"), Value: []byte("no-store")},
	{Name: []byte("Content-Security-Policy"), Value: []byte("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")},
}

// pages are the refusals for people: short, the same for everybody, and with
// nothing of the request in them. Made once.
var pages = func() (all [len(outcomes)][]byte) {
	for i, o := range outcomes {
		if o.text == "" {
			continue
		}
		text := []rune(o.text)
		text[0] = unicode.ToUpper(text[0])
		all[i] = fmt.Appendf(nil, page, http.StatusText(o.status), string(text), o.status)
	}
	return all
}()

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.25rem;overflow-wrap:break-word}h1{font-size:1.5rem;line-height:1.25}p{opacity:.8}a{color:inherit}</style>
</head>
<body>
<h1>%s.</h1>
<p>Status %d</p>
<p><a href="/">Back to the start</a></p>
</body>
</html>
`
