package nanobus

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"nanofront/nanobus/sp"
	"nanofront/nanobus/wire"
)

// bareConn is the far end of a link, by hand.
type bareConn struct {
	t testing.TB
	c net.Conn
}

func (c bareConn) send(msg []byte) {
	c.t.Helper()
	if _, err := c.c.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(msg))), msg...)); err != nil {
		c.t.Error(err)
	}
}

// barePeer takes one link, says hello with these flags, and reads and forgets
// what comes.
func barePeer(t testing.TB, flags uint16) (Instance, <-chan bareConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan bareConn, 1)
	var done sync.WaitGroup
	done.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		greeting := sp.Greeting(112)
		_, _ = c.Write(greeting[:])
		h := wire.Hello{Version: wire.ProtocolVersion, Window: 10, Service: "s", Instance: "bare", Bodies: flags&wire.HelloBodies != 0}
		bc := bareConn{t, c}
		bc.send(h.AppendTo(nil))
		conns <- bc
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	t.Cleanup(func() {
		_ = l.Close()
		done.Wait()
	})
	return Instance{Service: "s", ID: "bare", Address: "tcp://" + l.Addr().String()}, conns
}
