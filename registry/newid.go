package registry

import (
	"crypto/rand"
	"encoding/base32"
	"os"
	"strings"
)

const (
	// maxIDRole and maxIDHost are what a drawn name has of each, so that the
	// whole fits.
	maxIDRole, maxIDHost = 30, 23
	// idBytes make a random part of 8 characters: among 1,000 processes two
	// have the same with a probability of one in two million.
	idBytes = 5
)

// NewID draws a name for a process that was given none: its role (a service,
// or another word), the host's name and a random part. A process id in place
// of that is 1 in every container.
func NewID(role string) string {
	host, _ := os.Hostname() // without one, the random part has to do
	return newID(role, host)
}

func newID(role, host string) string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	host, _, _ = strings.Cut(host, ".")
	parts := make([]string, 0, 3)
	for _, p := range []string{clean(role, maxIDRole), clean(host, maxIDHost)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	parts = append(parts, strings.ToLower(base32.StdEncoding.EncodeToString(b[:])))
	return strings.Join(parts, "-")
}

// clean is s in the letters of a name, cut to n bytes.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, s)
	return strings.Trim(s[:min(len(s), n)], "-")
}
