//go:build !linux

package eventloop

import "time"

// Loops are for Linux.
type Loops struct{}

// New returns nil: there are none.
func New(Options) (*Loops, error) { return nil, nil }

// Accept does nothing: there are no loops but on Linux.
func (*Loops) Accept() error { return nil }

// AcceptUntil does nothing: there are no loops but on Linux.
func (*Loops) AcceptUntil(time.Time) {}

// Stop does nothing: there are no loops but on Linux.
func (*Loops) Stop() {}

// Bequeath does nothing: there are no loops but on Linux.
func (*Loops) Bequeath(func(fds []int, note []byte) (taken int, err error)) error { return nil }

// Inherit does nothing: there are no loops but on Linux.
func (*Loops) Inherit([]int, []byte) (taken int) { return 0 }

// Live does nothing: there are no loops but on Linux.
func (*Loops) Live(time.Duration) error { return nil }

// Late does nothing: there are no loops but on Linux.
func (*Loops) Late() bool { return false }
