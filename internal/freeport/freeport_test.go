package freeport

import (
	"net"
	"testing"
)

func TestAddr_NobodyListensThere(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		addr, err := Addr()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Errorf("%s for the second time", addr)
		}
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if free(addr) {
			t.Errorf("%s is listened on, and passes for free", addr)
		}
	}
}

// Two processes don't look in the same place, and one comes round to a port
// that was not used.
func TestBlock_IsItsOwn(t *testing.T) {
	var a, b block
	for _, bl := range []*block{&a, &b} {
		if _, err := bl.next(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bl.guard.Close() })
	}
	if a.base == b.base {
		t.Errorf("two blocks at %d", a.base)
	}
	given := map[string]bool{}
	for range size - 1 {
		addr, err := a.next()
		if err != nil {
			t.Fatal(err)
		}
		given[addr] = true
	}
	if given[a.guard.Addr().String()] {
		t.Error("the guard's own port was given away")
	}
	again, err := a.next()
	if err != nil || !given[again] {
		t.Errorf("after a round: %q, %v", again, err)
	}
}
