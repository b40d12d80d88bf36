package etcd

import (
	"context"
	"time"

	"nanofront/registry"
)

// WatchProcesses calls fn with all processes that have announced themselves,
// sorted, and then after each change, one call at a time and from the calling
// goroutine. It returns when ctx ends (nil) or the Client is closed
// (ErrClosed), and otherwise holds on as Watch does: nothing is called back
// while etcd can't be reached, so that whoever looks keeps the last known list.
func (c *Client) WatchProcesses(ctx context.Context, fn func([]registry.Process)) error {
	view := newRecords(c.keys.processes(), processLives*c.opts.LeaseTTL, c.keys.decodeProcess, sameProcess)
	w := &watcher{c: c, prefix: c.keys.processes(), what: "processes", view: &view, deliver: func() {
		list := view.list()
		registry.SortProcesses(list)
		fn(list)
	}}
	view.onInvalid = w.invalid
	return w.run(ctx)
}

// sameProcess is as sameInstance.
func sameProcess(a, b registry.Process) bool {
	same := a.Started.Equal(b.Started)
	a.Started, b.Started = time.Time{}, time.Time{}
	return same && a == b
}
