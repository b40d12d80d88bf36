package supervisor

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// reader is the other end of an output: it takes lines, refuses them, or lets whoever writes wait.
type reader struct {
	mu    sync.Mutex
	cond  sync.Cond
	stall bool
	err   error
	got   bytes.Buffer
	tries int
}

func newReader() *reader {
	r := &reader{}
	r.cond.L = &r.mu
	return r
}

func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	r.cond.Broadcast()
	for r.stall {
		r.cond.Wait()
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.got.Write(b)
}

func (r *reader) become(stall bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stall, r.err = stall, err
	r.cond.Broadcast()
}

func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func newSpool(r *reader) *spool {
	return &spool{out: r, notice: func(n uint64) []byte { return fmt.Appendf(nil, "%d lost\n", n) }}
}

func TestSpool_ReaderGone(t *testing.T) {
	r := newReader()
	s := newSpool(r)
	write := func(text string) {
		t.Helper()
		if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		s.flush(patience)
	}
	write("one\n")
	r.become(false, syscall.EPIPE)
	write("two\n")
	write("three\n")
	r.become(false, nil)
	write("four\n")
	write("five\n")
	if want := "one\n2 lost\nfour\nfive\n"; r.text() != want {
		t.Errorf("got %q, want %q", r.text(), want)
	}
}

func TestSpool_ReaderStalls(t *testing.T) {
	r := newReader()
	r.become(true, nil)
	s := newSpool(r)
	const more = 100
	for i := range 1 + spoolLines + more { // would never end if it waited
		_, _ = fmt.Fprintln(s, i)
		if i == 0 {
			r.mu.Lock() // it is being written, and waits no more
			for r.tries == 0 {
				r.cond.Wait()
			}
			r.mu.Unlock()
		}
	}
	began := time.Now()
	s.flush(time.Millisecond)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("flush took %v", took)
	}
	r.become(false, nil)
	s.flush(patience)
	lines := strings.Split(strings.TrimSpace(r.text()), "\n")
	if len(lines) != 1+spoolLines+1 || lines[0] != "0" || lines[1] != fmt.Sprint(more, " lost") || lines[2] != "1" {
		t.Errorf("%d lines, the first %q", len(lines), lines[:min(len(lines), 3)])
	}
}

func TestSpool_BoundedInBytes(t *testing.T) {
	r := newReader()
	r.become(true, nil)
	s := newSpool(r)
	long := bytes.Repeat([]byte{'x'}, maxLine)
	for range 2 * spoolBytes / maxLine {
		_, _ = s.Write(long)
	}
	s.mu.Lock()
	held, lost := s.bytes, s.lost
	s.mu.Unlock()
	if held > spoolBytes || lost == 0 {
		t.Errorf("%d bytes held, %d lines lost", held, lost)
	}
	r.become(false, nil)
	s.flush(patience)
}
