// Package echo is the role that answers from the request alone. It shows
// what reaches a handler, and serves to measure and test everything in front of it.
//
//	/hello                512 fixed bytes of text, for measuring
//	/echo/status/NNN      an empty answer, or an error, of that status (200..599).
//	                      The body is not read, or with ?after=N its first N bytes
//	/echo/sleep?ms=N      answers after N milliseconds (0..60000), or never if
//	                      the client gives up before
//	/echo/bytes?n=N       N bytes, up to a terabyte
//	/echo/stream?pieces=N&bytes=N
//	                      a response in so many pieces (0..10000) of so many bytes
//	                      (0..1048576). &ms=N: with a pause before each (0..60000).
//	                      &length=1: their sum is announced. &fail=N: it breaks off
//	                      in place of the N-th piece
//	/echo/digest          how many bytes of body came, and their SHA-256, as JSON.
//	                      ?ms=N: with a pause before each 64 KiB (0..60000)
//	/echo/hold?room=NAME&ms=N
//	                      is held until somebody asks /echo/answer?room=NAME&text=TEXT,
//	                      and gets TEXT then; or for N milliseconds (1..600000), and gets
//	                      "nothing". /echo/held?room=NAME says how many are
//	/echo/panic           panics: the client gets a 500, the process lives
//	anything else         the request as JSON
//
// The JSON has method, scheme, host, path, query (as it came), client,
// headers (each name with the list of its values, in the order of arrival),
// body_bytes and body: text if it is valid UTF-8, else base64, and then
// body_encoding says so. Of a body longer than MaxBody only the beginning is
// shown, and body_truncated is true.
//
//	err := echo.Run(ctx, handlers.Options{Discovery: d})
package echo
