// Package nanobus carries correlated requests, their replies and events
// between processes as batches of frames on a nanomsg BUS socket.
//
// On the wire it is plain SP framing with the BUS protocol number, so any libnanomsg, NNG or mangos
// BUS peer can take part (docs/protocol.md). What the stock BUS socket can't do, this package adds
// with a protocol core of its own on mangos' public protocol package: a message goes to one peer,
// not to all; a full queue pushes back instead of silently losing the message; and frames that
// gather during a write leave as one message.
//
// A [Bus] is one process's end of all its links. A process that takes requests listens:
//
//	bus, err := nanobus.New(nanobus.Options{
//		Service: "greeter", Instance: "greeter-1", Window: 1024,
//		Serve: func(batch []*nanobus.Request) {
//			for _, r := range batch {
//				r.Reply(nanobus.Bytes("hello"))
//			}
//		},
//	})
//	addr, err := bus.Listen("tcp://127.0.0.1:0")
//
// A caller tells the bus which instances there are, and calls by service:
//
//	bus.SetInstances([]nanobus.Instance{{Service: "greeter", ID: "greeter-1", Address: addr}})
//	c := nanobus.NewCall()
//	if err := bus.Service("greeter").Go(c, nanobus.Bytes("who?"), time.Second); err == nil {
//		c.Wait()
//		use(c.Payload, c.Err)
//	}
//	c.Release()
//
// # Flow control
//
// A peer that takes requests announces a window in its hello. A caller never has more requests than
// that in flight on the link; each reply, of any kind and however late, returns one credit. Each
// request therefore gets exactly one reply frame, even when it has expired or was cancelled. There
// is no queue that can overflow: overload shows at the caller, at once, as [ErrNoCredit].
//
// # Peers that can't be trusted
//
// [Options.Security] says who may take part: certificates on tls+tcp addresses, a shared secret on
// any. Whatever a peer sends is limited separately for it (limits.go), costs only its own link at
// worst, is counted, and is logged at most once a second.
//
// # Pitfalls
//
// [Options.Serve] and [Call.Done] run on the goroutine that reads a link:
// everything behind that link waits for them, so they must not block.
// Payloads alias the received message: copy what outlives the Reply or the
// Release. A Request must be replied to exactly once and not used afterwards.
package nanobus
