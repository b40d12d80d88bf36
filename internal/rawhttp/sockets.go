package rawhttp

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// sockets are those of a client's connections: what pollers have in common.
type sockets struct {
	addr   unix.Sockaddr
	family int
	fds    []int32  // by connection; -1 is closed
	gens   []uint32 // by connection: tells events of its last socket from those of this one
}

func newSockets(conns int, addr *net.TCPAddr) (sockets, error) {
	s := sockets{fds: make([]int32, conns), gens: make([]uint32, conns)}
	for i := range s.fds {
		s.fds[i] = -1
	}
	if ip := addr.IP.To4(); ip != nil {
		s.family, s.addr = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
		return s, nil
	}
	sa := &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
	if addr.Zone != "" {
		ifc, err := net.InterfaceByName(addr.Zone)
		if err != nil {
			return s, err
		}
		sa.ZoneId = uint32(ifc.Index)
	}
	s.family, s.addr = unix.AF_INET6, sa
	return s, nil
}

// connect begins to connect. The caller closes the socket if it has no use for it.
func (s *sockets) connect(i int) error {
	fd, err := unix.Socket(s.family, unix.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return err
	}
	s.fds[i] = int32(fd)
	s.gens[i]++
	if socketFlags == 0 {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.Connect(fd, s.addr)
		if err == unix.EINPROGRESS || err == unix.EINTR {
			err = nil
		}
	}
	if err != nil {
		s.Close(i)
	}
	return err
}

func (s *sockets) Connected(i int) error {
	v, err := unix.GetsockoptInt(int(s.fds[i]), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if v != 0 {
		return unix.Errno(v)
	}
	return nil
}

func (s *sockets) Write(i int, b []byte) (int, error) {
	for {
		n, errno := send(s.fds[i], b)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, nil
		}
		return 0, errno
	}
}

func (s *sockets) Read(i int, b []byte) (int, error) {
	for {
		n, errno := receive(s.fds[i], b)
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, ErrAgain
		}
		return 0, errno
	}
}

func (s *sockets) Close(i int) {
	if s.fds[i] >= 0 {
		_ = unix.Close(int(s.fds[i])) // what can be lost with it was counted
		s.fds[i] = -1
	}
}

func (s *sockets) Current(e *Event) bool { return s.fds[e.Conn] >= 0 && s.gens[e.Conn] == e.generation }

func (s *sockets) Shutdown() {
	for i := range s.fds {
		s.Close(i)
	}
}
