//go:build !unix

package slots

import (
	"errors"
	"os"
)

// lockFile fails: without a lock there are no numbers.
func lockFile(*os.File) error { return errors.ErrUnsupported }
