// Package toggled has toggles as they are kept: names, definitions, revisions, and what one
// transaction takes. It is data alone, for those who carry toggles and don't decide them.
package toggled

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxDefinition bounds a toggle's definition, in bytes.
	MaxDefinition = 64 << 10
	// MaxToggles is how many toggles and evaluators a system has at most.
	MaxToggles = 20_000
	// MaxChanges is how many toggles are changed in one transaction at most: etcd takes 128
	// operations.
	MaxChanges = 100
	// MaxBytes bounds the definitions of one transaction: etcd takes requests of 1.5 MiB.
	MaxBytes = 1 << 20
	// EvaluatorPrefix is what the names of shared rules begin with, beside those of toggles.
	EvaluatorPrefix = "$evaluators/"

	maxName = 128
)

// ErrInvalid is wrapped by every error about a toggle's name or size.
var ErrInvalid = errors.New("toggled: invalid toggle")

// Toggle is a toggle's definition, or a shared rule's, as it is kept. What it means is for package
// toggles to say.
type Toggle struct {
	// Name is the toggle's, or EvaluatorPrefix and the shared rule's.
	Name string
	// Definition is the JSON that was written; nil: it was deleted.
	Definition []byte
	// Revision is when it was written, or deleted.
	Revision int64
}

// Change is one of toggles, as of one revision.
type Change struct {
	Revision int64
	// Whole says that List is all there are, and not only what has changed.
	Whole bool
	List  []Toggle
}

// Check checks the name and the size of a toggle, or of an evaluator.
func Check(name string, definition []byte) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if len(definition) > MaxDefinition {
		return fmt.Errorf("%w: %s: its definition has %d bytes: want at most %d", ErrInvalid, name, len(definition), MaxDefinition)
	}
	return nil
}

// CheckName checks the name of a toggle, or of an evaluator.
func CheckName(name string) error {
	plain := strings.TrimPrefix(name, EvaluatorPrefix)
	ok := plain != "" && len(plain) <= maxName
	for i := 0; i < len(plain) && ok; i++ {
		c := plain[i]
		ok = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.' || c == ':'
	}
	if !ok {
		return fmt.Errorf("%w: %q is not a toggle's name: want 1 to %d letters, digits, '-', '_', '.' and ':'", ErrInvalid, plain[:min(len(plain), maxName)], maxName)
	}
	return nil
}
