package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A passage leads from a process to its successor, and connections go through it. The successor
// makes it, and passes its other end along with the message that it is ready; builds that don't
// know of it drop that end, at which the passage ends. What goes through is messages: descriptors
// with a note, each answered by how many the successor has taken, from the first on, in two bytes.

const (
	// maxPassed is how many descriptors a message has at most. The system allows 253.
	maxPassed = 128
	// maxNote is how long a note may be, in bytes.
	maxNote = 4096
	// passTimeout is how long a successor may take for an answer. Connections wait meanwhile.
	passTimeout = 2 * time.Second
)

// Passage is the predecessor's end.
type Passage struct {
	c *net.UnixConn
	// mu keeps a message and its answer together.
	mu sync.Mutex
}

// newPassage makes a passage. It isn't to be had on all systems.
func newPassage() (mine *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(fds[1]), "passage")
	if mine, err = passageOf(os.NewFile(uintptr(fds[0]), "passage")); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return mine, theirs, nil
}

// passageOf makes a connection of a file, which it closes.
func passageOf(f *os.File) (*net.UnixConn, error) {
	defer func() { _ = f.Close() }() // FileConn makes a copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a passage of kind %s", c.LocalAddr().Network()), c.Close())
	}
	return u, nil
}

// Pass passes descriptors with a note to the successor, and returns how many it has taken, from the
// first on. They stay open here. With an error, too, they have been taken or not: -1 means that it
// isn't known.
func (p *Passage) Pass(fds []int, note []byte) (taken int, err error) {
	if len(fds) == 0 || len(fds) > maxPassed || len(note) == 0 || len(note) > maxNote {
		return 0, fmt.Errorf("handover: %d descriptors with a note of %d bytes: want 1 to %d, with 1 to %d", len(fds), len(note), maxPassed, maxNote)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.c.SetDeadline(time.Now().Add(passTimeout)); err != nil {
		return 0, fmt.Errorf("handover: %w", err)
	}
	if _, _, err := p.c.WriteMsgUnix(note, syscall.UnixRights(fds...), nil); err != nil {
		return 0, fmt.Errorf("handover: passing connections: %w", err)
	}
	var answer [2]byte
	n, err := p.c.Read(answer[:])
	if err == nil && n != len(answer) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return -1, fmt.Errorf("handover: the successor doesn't say how many connections it has taken: %w", err)
	}
	if taken = int(binary.BigEndian.Uint16(answer[:])); taken > len(fds) {
		return -1, fmt.Errorf("handover: the successor says that it has taken %d connections of %d", taken, len(fds))
	}
	return taken, nil
}

// Close ends the passage.
func (p *Passage) Close() error { return p.c.Close() }

// inherit takes what comes through the passage until its end.
func inherit(c *net.UnixConn, take func(fds []int, note []byte) (taken int)) {
	defer func() { _ = c.Close() }() // what there was has come
	note, oob := make([]byte, maxNote), make([]byte, syscall.CmsgSpace(4*maxPassed))
	for {
		// What finds no room among this process' descriptors doesn't come, and is closed with the
		// message.
		n, rights, _, _, err := c.ReadMsgUnix(note, oob)
		if err != nil || n == 0 {
			return
		}
		fds, err := descriptors(oob[:rights])
		if err != nil {
			return
		}
		taken := take(fds, note[:n])
		for _, fd := range fds[taken:] {
			_ = syscall.Close(fd)
		}
		if _, err := c.Write(binary.BigEndian.AppendUint16(nil, uint16(taken))); err != nil {
			return
		}
	}
}
