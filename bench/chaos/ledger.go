package chaos

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// service is that of the handlers that keep a ledger (handlers/ledger).
const service = "ledger"

// Moods of such a handler.
const (
	well  = "well"
	slow  = "slow"
	flood = "flood"
)

// setMood tells the handler of that name, whose folder dir is, what to be like. It follows in
// 20 ms.
func setMood(dir, instance, mood string) error {
	return os.WriteFile(filepath.Join(dir, instance+".mood"), []byte(mood), 0o600)
}

// book is what all ledgers of a folder say.
type book struct {
	// Done is how many different numbers of a range there are.
	Done int
	// Twice are those that are there more than once.
	Twice []uint64
}

// readBook adds up the ledgers of a folder, as far as numbers from low to high are concerned.
func readBook(dir string, low, high uint64) (*book, error) {
	names, err := fs.Glob(os.DirFS(dir), "*.ledger")
	if err != nil {
		return nil, err
	}
	seen := make(map[uint64]int)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("chaos: %w", err)
		}
		for line := range strings.Lines(string(b)) {
			n, err := strconv.ParseUint(strings.TrimSuffix(line, "\n"), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("chaos: %s: %w", name, err)
			}
			if n >= low && n <= high {
				seen[n]++
			}
		}
	}
	sum := &book{Done: len(seen)}
	for n, times := range seen {
		if times > 1 {
			sum.Twice = append(sum.Twice, n)
		}
	}
	return sum, nil
}
