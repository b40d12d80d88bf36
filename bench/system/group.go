package system

import (
	"errors"
	"os"
	"slices"
	"strings"

	"nanofront/internal/process"
)

// NewGroup makes a group for the processes of a subject. They get this one's environment without
// the NANOFRONT_ variables, which are for the benchmark: they would change the programs' flags.
func NewGroup() *process.Group {
	return process.NewGroup(func() []string {
		return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NANOFRONT_") })
	})
}

// startTries is how often a start is tried: a port that was free may be taken when it is used.
const startTries = 3

// Retry starts something by what it is given, anew if a port was taken meanwhile.
func Retry(start func() error) (err error) {
	for range startTries {
		if err = start(); err == nil || !errors.Is(err, process.ErrEnded) || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	return err
}
