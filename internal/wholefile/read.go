package wholefile

import (
	"fmt"
	"io"
	"os"
)

// Read reads a file of at most so many bytes.
func Read(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return raw, err
}
