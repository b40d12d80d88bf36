//go:build !linux

package terminator

import "time"

// eventLoops are for Linux.
type eventLoops struct{}

func newEventLoops(*Terminator, *guardListener, int) (*eventLoops, error) { return nil, nil }

func (*eventLoops) accept() error              { return nil }
func (*eventLoops) acceptUntil(time.Time)      {}
func (*eventLoops) counts() (idle, active int) { return 0, 0 }
func (*eventLoops) watchClients()              {}
func (*eventLoops) closeAll()                  {}
func (*eventLoops) stop()                      {}
