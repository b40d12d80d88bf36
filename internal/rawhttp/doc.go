// Package rawhttp is what a client needs that must cost little and be on time: sockets on an
// edge-triggered poller, without goroutines, timers or the runtime's scheduler, and a parser of
// HTTP/1.1 responses that doesn't allocate.
//
//	p, err := rawhttp.NewPoller(conns, addr, false)
//	_ = p.Open(0)                          // an event says when it is connected
//	events, err := p.Wait(time.Millisecond)
//	n, done, err := parser.Feed(data)      // of Read; data[n:] belongs to the next response
//
// One goroutine, locked to its thread, owns a Poller and all that belongs to its connections. Where
// [NativeHoldsCore], it keeps a core of the scheduler's while it waits: give the others one more.
package rawhttp
