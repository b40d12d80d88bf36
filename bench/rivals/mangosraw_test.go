package main

import (
	"encoding/binary"
	"sync/atomic"
	"testing"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/xrep"
	"go.nanomsg.org/mangos/v3/protocol/xreq"
)

// waiters match replies with callers by the caller's number: the least that
// correlation by hand can cost, as the callers of a benchmark have one request
// under way each.
type waiters []chan *mangos.Message

func newWaiters(callers int) waiters {
	w := make(waiters, callers)
	for i := range w {
		w[i] = make(chan *mangos.Message, 1)
	}
	return w
}

// deliver hands a reply over, or drops one that nobody awaits.
func (w waiters) deliver(n uint32, m *mangos.Message) {
	if uint64(n) < uint64(len(w)) {
		select {
		case w[n] <- m:
			return
		default:
		}
	}
	m.Free()
}

// startMangosRawReq is stock REQ/REP in raw mode, which gives the request ids to
// the program: one goroutine at either end takes what comes in.
func startMangosRawReq(b *testing.B, callers, _ int) func() exchange {
	server, err := xrep.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	client, err := xreq.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []mangos.Socket{server, client} {
		queues(b, s, callers, mangos.OptionWriteQLen, mangos.OptionReadQLen)
	}
	mangosPair(b, server, client, nil)
	go func() { // ends with the socket
		for {
			m, err := server.RecvMsg()
			if err != nil || server.SendMsg(m) != nil {
				return
			}
		}
	}()
	const last = 1 << 31 // marks the end of the backtrace, as REQ has it
	w := newWaiters(callers)
	go func() { // ends with the socket
		for {
			m, err := client.RecvMsg()
			if err != nil {
				return
			}
			w.deliver(binary.BigEndian.Uint32(m.Header)&^last, m)
		}
	}()
	var number atomic.Uint32
	return func() exchange {
		id := number.Add(1) - 1
		var before *mangos.Message
		return func(body []byte) ([]byte, error) {
			before.Free()
			m := mangos.NewMessage(len(body))
			m.Header = binary.BigEndian.AppendUint32(m.Header, id|last)
			m.Body = append(m.Body, body...)
			if err := client.SendMsg(m); err != nil {
				before = nil
				return nil, err
			}
			before = <-w[id]
			return before.Body, nil
		}
	}
}
