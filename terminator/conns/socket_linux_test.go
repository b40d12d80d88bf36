package conns

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What is accepted from a plain listener has what it needs; what is accepted from another gets it
// by itself.
func TestPrepare(t *testing.T) {
	for _, multipath := range []bool{false, true} {
		var lc net.ListenConfig
		lc.SetMultipathTCP(multipath)
		l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		inherited := Prepare(l.(*net.TCPListener))
		if !multipath && !inherited {
			t.Error("a plain listener: nothing is inherited")
		}
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if !inherited {
			PrepareSocket(c)
		}
		// As much as the system takes of what nobody reads: far below the 4 MiB that it would.
		taken := 0
		err = control(c, func(fd int) {
			if n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || n == 0 {
				t.Errorf("multipath %v: TCP_NODELAY is %d, %v", multipath, n, err)
			}
			for {
				n, err := unix.Write(fd, make([]byte, 1<<20))
				if err != nil {
					return
				}
				taken += n
			}
		})
		if err != nil || taken == 0 || taken > 1<<20 {
			t.Errorf("multipath %v: %d bytes taken for a client that reads nothing, %v", multipath, taken, err)
		}
	}
}
