package rawhttp

import (
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents is how many events one wait returns at most.
const maxEvents = 256

// NativeHoldsCore: who waits in Wait keeps its core, in the eyes of the scheduler of goroutines.
const NativeHoldsCore = true

// epoller is a poller on epoll. The kernel may end a wait up to 50 µs late (its timer slack,
// prctl(2)), and is left to: at 20,000 requests per second that saves a quarter of the CPU time,
// for 15 µs of latency. All calls go by RawSyscall, without telling the scheduler of goroutines,
// which would wake the runtime's monitor thread for each. Reads and writes don't block. A wait
// does, for as long as the caller says; the signal by which the collector stops a goroutine ends it
// earlier.
type epoller struct {
	sockets
	ep     int
	raw    [maxEvents]unix.EpollEvent
	events []Event
	ppoll  bool // the kernel has no epoll_pwait2 (before 5.11)
}

func newNativePoller(conns int, addr *net.TCPAddr) (Poller, error) {
	s, err := newSockets(conns, addr)
	if err != nil {
		return nil, err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &epoller{sockets: s, ep: ep, events: make([]Event, 0, maxEvents)}, nil
}

func (p *epoller) Open(i int) error {
	if err := p.connect(i); err != nil {
		return err
	}
	// Registered once and for all: edge-triggered, so that nothing need be
	// changed when something waits to be written.
	err := unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, int(p.fds[i]), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(i),         // a process has fewer files
		Pad:    int32(p.gens[i]), // compared for being equal only
	})
	if err != nil {
		p.Close(i)
	}
	return err
}

// socketFlags of new sockets.
const socketFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// send writes to a socket, as package unix does, without the scheduler.
func send(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// receive reads from a socket; 0 bytes are the end.
func receive(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), errno
}

func (p *epoller) Wait(d time.Duration) ([]Event, error) {
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
		p.events = append(p.events, Event{
			Conn:       c,
			Readable:   r.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Writable:   r.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Ended:      r.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			generation: uint32(r.Pad),
		})
	}
	return p.events, nil
}

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

func (p *epoller) Shutdown() {
	p.sockets.Shutdown()
	_ = unix.Close(p.ep) // nothing is lost with it
}
