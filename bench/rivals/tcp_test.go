package main

import (
	"io"
	"net"
	"testing"
)

// wireOverhead is what the bus adds to a request: the length of the message
// (8), the frame's header (16) and the budget (4). See docs/protocol.md.
const wireOverhead = 8 + 16 + 4

// startPingPong is what one caller's round trip is to be held against: the same
// bytes over a raw connection, and nothing else.
func startPingPong(b *testing.B, _, body int) func() exchange {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the caller's connection closes
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		buf := make([]byte, body+wireOverhead)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}()
	return func() exchange {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		buf := make([]byte, body+wireOverhead)
		return func(body []byte) ([]byte, error) {
			copy(buf[wireOverhead:], body)
			if _, err := c.Write(buf); err != nil {
				return nil, err
			}
			if _, err := io.ReadFull(c, buf); err != nil {
				return nil, err
			}
			return buf[wireOverhead:], nil
		}
	}
}
