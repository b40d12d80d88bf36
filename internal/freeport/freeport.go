package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// first to last-1 are below the ports that Linux, macOS and the BSDs give
	// out by themselves.
	first, last = 20_000, 32_000

	// size is how many ports a process has for itself, with the guard.
	size = 500

	// connecting to this machine takes no time; this is for a port whose owner
	// doesn't answer.
	patience = 5 * time.Second
)

// errNone: all are taken.
var errNone = errors.New("freeport: no free port of the loopback interface from " + strconv.Itoa(first) + " to " + strconv.Itoa(last-1))

// block is a range of ports that one process looks in. It is its own as long as
// the process listens on the first of them.
type block struct {
	mu    sync.Mutex
	guard net.Listener
	base  int
	given int // from 1 to size-1: the last one
}

// mine is this process'. It is claimed with the first look, and kept.
var mine block

// Addr returns an address that nobody listens on. It is not returned again
// before some hundred others.
func Addr() (string, error) { return mine.next() }

// next returns the next free address of the block.
func (b *block) next() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.guard == nil {
		if err := b.claim(); err != nil {
			return "", err
		}
	}
	for range size - 1 {
		b.given = b.given%(size-1) + 1
		if addr := address(b.base + b.given); free(addr) {
			return addr, nil
		}
	}
	return "", errNone
}

// claim takes a block that no other process has.
func (b *block) claim() error {
	const blocks = (last - first) / size
	for _, n := range rand.Perm(blocks) {
		base := first + n*size
		if l, err := net.Listen("tcp", address(base)); err == nil {
			b.guard, b.base, b.given = l, base, 0
			return nil
		}
	}
	return errNone
}

// free reports whether nobody listens there. It asks by connecting: a listener
// of our own, though closed at once, could live on for a moment in a child
// process that is just being started.
func free(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		_ = c.Close() // nothing was said
		return false
	}
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
