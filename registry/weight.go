package registry

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Weights of instances.
const (
	// DefaultWeight is the weight of an instance that gives none.
	DefaultWeight Weight = 100
	// MaxWeight is the largest weight.
	MaxWeight Weight = 1000
	// NoWeight takes an instance out: no new requests are sent to it, while
	// its links stay. Documents write it as 0.
	NoWeight Weight = -1
)

// Weight is an instance's share of the requests among the instances of its
// service: 1 to MaxWeight. As with other fields, zero stands for what was not
// written, and means DefaultWeight; the 0 of documents is NoWeight.
type Weight int

// WeightOf is the weight that a document, or a person, calls n: 0 to
// MaxWeight.
func WeightOf(n int) Weight {
	if n == 0 {
		return NoWeight
	}
	return Weight(n)
}

// Share is w as documents write it: 0 to MaxWeight.
func (w Weight) Share() int {
	switch w {
	case 0:
		return int(DefaultWeight)
	case NoWeight:
		return 0
	}
	return int(w)
}

func (w Weight) valid() bool { return w >= NoWeight && w <= MaxWeight }

func weightRule() string {
	return fmt.Sprintf("0 (no new requests) to %d", int(MaxWeight))
}

// String is w as documents write it.
func (w Weight) String() string { return strconv.Itoa(w.Share()) }

// MarshalJSON writes w as a number from 0.
func (w Weight) MarshalJSON() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalJSON reads a number from 0 to MaxWeight; null leaves w as it is.
func (w *Weight) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var n int
	if err := json.Unmarshal(b, &n); err != nil || n < 0 || n > int(MaxWeight) {
		return fmt.Errorf("registry: weight %s: want %s", clip(string(b)), weightRule())
	}
	*w = WeightOf(n)
	return nil
}
