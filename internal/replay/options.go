package replay

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"nanofront/internal/recording"
)

// Bounds of Options.
const (
	MaxConnections = 10_000
	MaxLoop        = 1000
	MaxSpeed       = 1000
)

// What answers are compared by, besides names of header fields.
const (
	compareStatus = "status"
	compareSize   = "size"
	compareBody   = "body"
)

// DefaultCompare is what Options.Compare is by default.
var DefaultCompare = []string{compareStatus, compareSize, compareBody, "content-type"}

// Options say what is replayed, how fast, and where to.
type Options struct {
	Source Source
	Select Select

	// Speed is how many times as fast as it was recorded. 0: flat out, each connection sends as soon
	// as it has its answer.
	Speed float64
	// RateLimit is how many requests a second there are at most; 0: any number.
	RateLimit float64
	// Loop is how many times; 0 means once.
	Loop int

	// Encode formats requests, and NewSender makes what sends them: one for each worker.
	Encode    Encoder
	NewSender NewSender
	// Connections is how many requests may be under way at once, and Workers how many threads send
	// them.
	Connections, Workers int
	// Timeout is how long an answer may take.
	Timeout time.Duration

	// Compare is what answers are held against those recorded by: "status", "size", "body", and names
	// of header fields in lower case, at most MaxFields. Bodies need Redact.
	Compare []string
	// Redact says how the recording's values were replaced, and with which key, so that answers can be
	// treated the same way. nil: the key isn't known.
	Redact *recording.RedactOptions
	// MaxLate is how late the 99th percentile of requests may leave, before nothing is claimed about
	// latencies.
	MaxLate time.Duration
	// Samples is how many requests that differ are kept of each route.
	Samples int

	fields []string // of Compare
}

func (o *Options) compares(what string) bool { return slices.Contains(o.Compare, what) }

// check completes the options, or says what is wrong with them.
func (o *Options) check() error {
	switch {
	case !(o.Speed >= 0 && o.Speed <= MaxSpeed): // not so for NaN
		return fmt.Errorf("replay: speed %v: want 0 (flat out), or up to %d", o.Speed, MaxSpeed)
	case !(o.RateLimit >= 0 && o.RateLimit <= math.MaxInt32):
		return fmt.Errorf("replay: rate limit %v: want 0 (none), or requests per second", o.RateLimit)
	case o.Loop < 0 || o.Loop > MaxLoop:
		return fmt.Errorf("replay: loop %d: want 1 to %d", o.Loop, MaxLoop)
	case o.Connections < 1 || o.Connections > MaxConnections:
		return fmt.Errorf("replay: connections %d: want 1 to %d", o.Connections, MaxConnections)
	}
	if o.Compare == nil {
		o.Compare = DefaultCompare
	}
	o.fields = nil
	for _, name := range o.Compare {
		switch {
		case name == compareStatus, name == compareSize, name == compareBody:
		case !isToken(name) || name != strings.ToLower(name):
			return fmt.Errorf("replay: compare %q: want status, size, body, or names of header fields in lower case", name)
		case !slices.Contains(o.fields, name):
			o.fields = append(o.fields, name)
		}
	}
	if len(o.fields) > MaxFields {
		return fmt.Errorf("replay: compare has %d header fields: want at most %d", len(o.fields), MaxFields)
	}
	o.Workers = min(max(o.Workers, 1), o.Connections)
	return nil
}
