// Package balance chooses among the instances of a service: without a key by weight, load and
// latency, with a key the instance that owns it. It keeps the figures that it decides by, and knows
// nothing of how requests are sent.
package balance

import "errors"

var (
	// ErrNoInstance: there is nothing to choose from.
	ErrNoInstance = errors.New("nanobus: no live instance")
	// ErrNoCredit: every instance has its whole window in flight.
	ErrNoCredit = errors.New("nanobus: every instance is at its window")
)
