//go:build !linux

package eventloop

import "time"

// Loops are for Linux.
type Loops struct{}

// New returns nil: there are none.
func New(Options) (*Loops, error) { return nil, nil }

// Accept implements what there is on Linux.
func (*Loops) Accept() error { return nil }

// AcceptUntil implements what there is on Linux.
func (*Loops) AcceptUntil(time.Time) {}

// Stop implements what there is on Linux.
func (*Loops) Stop() {}

// Bequeath implements what there is on Linux.
func (*Loops) Bequeath(func(fds []int, note []byte) (taken int, err error)) error { return nil }

// Inherit implements what there is on Linux.
func (*Loops) Inherit([]int, []byte) (taken int) { return 0 }

// Live implements what there is on Linux.
func (*Loops) Live(time.Duration) error { return nil }

// Late implements what there is on Linux.
func (*Loops) Late() bool { return false }
