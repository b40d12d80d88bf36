package cli

import (
	"fmt"
	"io"
	"os"
)

// ReadInput reads the file that a command was given, of at most so many bytes; "-" is in.
func ReadInput(name string, in io.Reader, most int64) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return raw, nil
}
