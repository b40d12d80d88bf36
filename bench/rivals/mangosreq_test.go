package main

import (
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/tcp"
)

// mangosPair links two stock sockets whose queues hold all that can be under
// way: BUS drops what doesn't fit, without a word.
func mangosPair(b *testing.B, server, client mangos.Socket, err error) {
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	l, err := server.NewListener("tcp://127.0.0.1:0", nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := l.Listen(); err != nil {
		b.Fatal(err)
	}
	if err := client.Dial(l.Address()); err != nil {
		b.Fatal(err)
	}
}

// queues sets the lengths of the queues that a socket has, before it is linked.
func queues(b *testing.B, s mangos.Socket, n int, names ...string) {
	for _, name := range names {
		if err := s.SetOption(name, n); err != nil {
			b.Fatalf("%s: %v", name, err)
		}
	}
}

// startMangosReq is stock REQ/REP by its documented way to concurrency: a
// context for each caller, and contexts of the server that serve side by side.
func startMangosReq(b *testing.B, callers, _ int) func() exchange {
	server, err := rep.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	client, err := req.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	queues(b, server, callers, mangos.OptionWriteQLen)
	mangosPair(b, server, client, nil)
	for range min(callers, 16) { // more only wait for the queue's lock
		c, err := server.OpenContext()
		if err != nil {
			b.Fatal(err)
		}
		go func() { // ends with the socket
			for {
				m, err := c.RecvMsg()
				if err != nil {
					return
				}
				if c.SendMsg(m) != nil {
					return
				}
			}
		}()
	}
	return func() exchange {
		c, err := client.OpenContext()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.SetOption(mangos.OptionRecvDeadline, 10*time.Second); err != nil {
			b.Fatal(err)
		}
		var last *mangos.Message
		return func(body []byte) ([]byte, error) {
			last.Free()
			last = nil
			m := mangos.NewMessage(len(body))
			m.Body = append(m.Body, body...)
			if err := c.SendMsg(m); err != nil {
				m.Free()
				return nil, err
			}
			m, err := c.RecvMsg()
			if err != nil {
				return nil, err
			}
			last = m
			return m.Body, nil
		}
	}
}
