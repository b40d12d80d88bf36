// Package examples has the files beside a handler in Python and Node.js that speak the bus, as
// nanofront new writes them.
package examples

import "embed"

// Files are those of python/ and node/ that authors don't change.
//
//go:embed python/nanofront.py python/spans.py python/wire.py node/nanofront.js node/spans.js node/wire.js
var Files embed.FS
