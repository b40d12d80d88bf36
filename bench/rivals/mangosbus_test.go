package main

import (
	"encoding/binary"
	"sync/atomic"
	"testing"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/bus"
)

// startMangosBus is a pair of stock BUS sockets with a correlation id in front
// of each body. A real one would also have to live with what BUS loses.
func startMangosBus(b *testing.B, callers, _ int) func() exchange {
	server, err := bus.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	client, err := bus.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []mangos.Socket{server, client} {
		queues(b, s, 2*callers, mangos.OptionWriteQLen, mangos.OptionReadQLen)
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
	w := newWaiters(callers)
	go func() { // ends with the socket
		for {
			m, err := client.RecvMsg()
			if err != nil {
				return
			}
			w.deliver(binary.BigEndian.Uint32(m.Body), m)
		}
	}()
	var number atomic.Uint32
	return func() exchange {
		id := number.Add(1) - 1
		var before *mangos.Message
		return func(body []byte) ([]byte, error) {
			before.Free()
			m := mangos.NewMessage(4 + len(body))
			m.Body = binary.BigEndian.AppendUint32(m.Body, id)
			m.Body = append(m.Body, body...)
			if err := client.SendMsg(m); err != nil {
				before = nil
				return nil, err
			}
			before = <-w[id]
			return before.Body[4:], nil
		}
	}
}
