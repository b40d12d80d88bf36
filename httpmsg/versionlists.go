package httpmsg

import (
	"maps"
	"sync/atomic"
)

// maxLists is how many lists of versions are remembered: each that a routes document has for a
// service, for a few documents.
const maxLists = 256

// VersionLists makes texts of the lists that Decision.Versions returns: once for each list, since
// there are few. Its zero value is ready for use, by any number of goroutines.
type VersionLists struct {
	known atomic.Pointer[map[string][]string]
}

// Of returns the versions of a list. Not to be changed.
func (l *VersionLists) Of(list []byte) []string {
	if len(list) == 0 {
		return nil
	}
	known := l.known.Load()
	if known != nil {
		if v, ok := (*known)[string(list)]; ok {
			return v
		}
	}
	var out []string
	EachVersion(list, func(v []byte) { out = append(out, string(v)) })
	more := make(map[string][]string)
	if known != nil && len(*known) < maxLists { // else those of old documents go
		more = maps.Clone(*known)
	}
	more[string(list)] = out
	l.known.CompareAndSwap(known, &more) // another may have made it meanwhile
	return out
}
