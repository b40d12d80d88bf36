// Package replay sends recorded requests again, at the times at which they came, and holds the
// answers against those that were recorded.
//
//	r, err := replay.Run(ctx, replay.Options{
//		Source: reader, Speed: 1, Connections: 256, Timeout: 5 * time.Second,
//		Select: replay.Select{Hop: 1}, Encode: replay.HTTP, NewSender: replay.Dial(addr),
//	}, nil)
//
// # How it is on time
//
//	file ──▶ feed ──batches──▶ worker ──▶ sender
//	         reads ahead       waits      connections of the worker's own
//
// The feed reads, chooses and formats ahead, in bounded memory, so that a worker has nothing left to
// do when a request is due but to write it. A worker is one thread, which waits for the next due
// time and for answers in one and the same system call; nothing spins, and no goroutine, timer or
// lock stands between the clock and the write. Each request's delay, from when it was due to when it
// was written, is measured: a replay that was late says so, and claims nothing about latencies.
//
// Requests leave at their times whatever the answers do (an open loop), unless all connections are
// busy: then they wait, and that counts as delay too.
//
// # Pitfalls
//
//   - What was recorded has pseudonyms in place of queries, cookies and credentials. A service that
//     looks into them answers differently.
//   - The latency that was recorded is the instance's. That of a replay is seen from here, with all
//     that lies between.
package replay
