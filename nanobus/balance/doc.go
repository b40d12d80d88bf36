// Package balance chooses among the instances of a service: without a key by
// weight, load and latency, with one by whom the key belongs to. It owns the
// figures that it goes by, and knows nothing of how requests get anywhere.
package balance

import "errors"

var (
	// ErrNoInstance: there is nothing to choose from.
	ErrNoInstance = errors.New("nanobus: no live instance")
	// ErrNoCredit: every instance has its whole window under way.
	ErrNoCredit = errors.New("nanobus: every instance is at its window")
)
