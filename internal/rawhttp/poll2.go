package rawhttp

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// pollTick is how long a poll2 sleeps between two looks when less than a millisecond is left to
// wait, which is the least that poll(2) knows.
const pollTick = 50 * time.Microsecond

// poll2 is a poller on poll(2), for systems without epoll. It costs more the more connections there
// are.
type poll2 struct {
	sockets
	// blocked, by connection: to be told when it can be written to, or is connected.
	blocked []bool
	asked   []unix.PollFd
	conns   []int // of asked
	events  []Event
}

func newPoll2(conns int, addr *net.TCPAddr) (Poller, error) {
	s, err := newSockets(conns, addr)
	return &poll2{sockets: s, blocked: make([]bool, conns)}, err
}

func (p *poll2) Open(i int) error {
	p.blocked[i] = true
	return p.connect(i)
}

func (p *poll2) Write(i int, b []byte) (int, error) {
	n, err := p.sockets.Write(i, b)
	p.blocked[i] = n < len(b)
	return n, err
}

func (p *poll2) Wait(d time.Duration) ([]Event, error) {
	p.asked, p.conns, p.events = p.asked[:0], p.conns[:0], p.events[:0]
	for i, fd := range p.fds {
		if fd < 0 {
			continue
		}
		ask := unix.PollFd{Fd: fd, Events: unix.POLLIN}
		if p.blocked[i] {
			ask.Events |= unix.POLLOUT
		}
		p.asked, p.conns = append(p.asked, ask), append(p.conns, i)
	}
	d = max(0, d)
	if d < time.Millisecond {
		time.Sleep(min(d, pollTick))
	}
	if _, err := unix.Poll(p.asked, int(d/time.Millisecond)); err != nil && err != unix.EINTR {
		return nil, fmt.Errorf("poll: %w", err)
	}
	for k, i := range p.conns {
		r := p.asked[k].Revents
		if r == 0 {
			continue
		}
		ended := r&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
		e := Event{Conn: i, Readable: ended || r&unix.POLLIN != 0, Writable: ended || r&unix.POLLOUT != 0, Ended: ended, generation: p.gens[i]}
		p.blocked[i] = p.blocked[i] && !e.Writable
		p.events = append(p.events, e)
	}
	return p.events, nil
}
