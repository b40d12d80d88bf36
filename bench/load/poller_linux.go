package load

import (
	"fmt"
	"io"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents is how many events one wait returns at most.
const maxEvents = 256

// nativeHoldsCore: a worker that waits keeps its core, in the eyes of the scheduler of goroutines.
const nativeHoldsCore = true

// epoller is a poller on epoll. The kernel may end a wait up to 50 µs late (its
// timer slack, prctl(2)), and is left to: at 20,000 requests per second that
// saves a quarter of the CPU time, for 15 µs of latency. All calls go by RawSyscall, without telling the
// scheduler of goroutines, which would wake the runtime's monitor thread for each. Reads and writes don't block. A wait
// does, for longestWait at most; the signal by which the collector stops a goroutine ends it earlier.
type epoller struct {
	ep     int
	addr   unix.Sockaddr
	family int
	fds    []int32  // by connection; -1 is closed
	gens   []uint32 // by connection: tells events of its last socket from those of this one
	raw    [maxEvents]unix.EpollEvent
	events []event
	ppoll  bool // the kernel has no epoll_pwait2 (before 5.11)
}

func newNativePoller(conns int, addr *net.TCPAddr) (poller, error) {
	p := &epoller{fds: make([]int32, conns), gens: make([]uint32, conns), events: make([]event, 0, maxEvents)}
	for i := range p.fds {
		p.fds[i] = -1
	}
	if ip := addr.IP.To4(); ip != nil {
		p.family, p.addr = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	} else {
		sa := &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
		if addr.Zone != "" {
			ifc, err := net.InterfaceByName(addr.Zone)
			if err != nil {
				return nil, err
			}
			sa.ZoneId = uint32(ifc.Index)
		}
		p.family, p.addr = unix.AF_INET6, sa
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	p.ep = ep
	return p, nil
}

func (p *epoller) open(i int) error {
	fd, err := unix.Socket(p.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil {
		err = unix.Connect(fd, p.addr)
		if err == unix.EINPROGRESS || err == unix.EINTR {
			err = nil
		}
	}
	if err == nil {
		p.gens[i]++
		// Registered once and for all: edge-triggered, so that nothing need be
		// changed when something waits to be written.
		err = unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
			Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
			Fd:     int32(i),         // below MaxConnections
			Pad:    int32(p.gens[i]), // compared for being equal only
		})
	}
	if err != nil {
		_ = unix.Close(fd) // nothing was sent
		return err
	}
	p.fds[i] = int32(fd)
	return nil
}

func (p *epoller) connected(i int) error {
	v, err := unix.GetsockoptInt(int(p.fds[i]), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if v != 0 {
		return unix.Errno(v)
	}
	return nil
}

func (p *epoller) write(i int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fds[i]), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0) // as package unix does, without the scheduler
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, nil
		}
		return 0, errno
	}
}

func (p *epoller) read(i int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(p.fds[i]), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return int(n), nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, errAgain
		}
		return 0, errno
	}
}

func (p *epoller) close(i int) {
	if p.fds[i] >= 0 {
		_ = unix.Close(int(p.fds[i])) // what can be lost with it was counted
		p.fds[i] = -1
	}
}

func (p *epoller) wait(d time.Duration) ([]event, error) {
	n, errno := p.waitRaw(max(0, d))
	if errno != 0 && errno != unix.EINTR {
		return nil, fmt.Errorf("epoll_pwait2: %w", errno)
	}
	p.events = p.events[:0]
	for i := range n {
		r := &p.raw[i]
		c := int(r.Fd)
		if p.fds[c] < 0 {
			continue
		}
		p.events = append(p.events, event{
			conn:       c,
			readable:   r.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			writable:   r.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			ended:      r.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			generation: uint32(r.Pad),
		})
	}
	return p.events, nil
}

func (p *epoller) current(e *event) bool { return p.fds[e.conn] >= 0 && p.gens[e.conn] == e.generation }

func (p *epoller) waitRaw(d time.Duration) (int, unix.Errno) {
	if !p.ppoll {
		// 64 bits each on all architectures, unlike unix.Timespec.
		ts := [2]int64{int64(d / time.Second), int64(d % time.Second)}
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.ep), uintptr(unsafe.Pointer(&p.raw[0])), maxEvents, uintptr(unsafe.Pointer(&ts)), 0, 0) // package unix has no EpollPwait2
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.ENOSYS {
			return 0, errno
		}
		p.ppoll = true
	}
	if d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		set := [1]unix.PollFd{{Fd: int32(p.ep), Events: unix.POLLIN}}
		if n, err := unix.Ppoll(set[:], &ts, nil); n <= 0 && err == nil {
			return 0, 0
		}
	}
	n, err := unix.EpollWait(p.ep, p.raw[:], 0)
	if errno, ok := err.(unix.Errno); ok { //nolint:errorlint // a system call's errors are not wrapped
		return 0, errno
	}
	return max(n, 0), 0
}

func (p *epoller) shutdown() {
	for i := range p.fds {
		p.close(i)
	}
	_ = unix.Close(p.ep) // nothing is lost with it
}
