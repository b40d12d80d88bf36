package supervisor

import (
	"io"
	"sync"
	"time"
)

// Of what waits to be written, at most so much is kept.
const (
	spoolLines = 4096
	spoolBytes = 4 << 20
)

// flushTimeout is how long the end waits for output that nobody may read.
const flushTimeout = 250 * time.Millisecond

// spool is a writer that never blocks its callers: a reader that is slow, or doesn't read at all,
// must not keep a child from being restarted or ended. Output that doesn't fit, or can't be written
// because the reader has gone, is dropped and counted.
type spool struct {
	out io.Writer
	// notice makes the line that reports n lost lines, written once writing works again.
	notice func(n uint64) []byte

	mu    sync.Mutex
	lines [][]byte
	bytes int
	idle  chan struct{} // closed when nothing waits any more; nil while nothing does
	lost  uint64        // not yet told of
}

// Write implements io.Writer, for whole lines. It keeps nothing of b and never fails.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) >= spoolLines || s.bytes+len(b) > spoolBytes {
		s.lost++
		return len(b), nil
	}
	s.lines = append(s.lines, append([]byte(nil), b...))
	s.bytes += len(b)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.drain() // ends when nothing waits
	}
	return len(b), nil
}

func (s *spool) drain() {
	for {
		s.mu.Lock()
		if len(s.lines) == 0 {
			close(s.idle)
			s.idle = nil
			s.mu.Unlock()
			return
		}
		line, lost := s.lines[0], s.lost
		s.lines[0] = nil
		s.lines = s.lines[1:]
		s.bytes -= len(line)
		s.mu.Unlock()
		told := uint64(0)
		if lost > 0 {
			if _, err := s.out.Write(s.notice(lost)); err == nil {
				told = lost
			}
		}
		_, err := s.out.Write(line)
		s.mu.Lock()
		s.lost -= told
		if err != nil {
			s.lost++
		}
		s.mu.Unlock()
	}
}

// flush waits until all is written, for so long at most.
func (s *spool) flush(atMost time.Duration) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
	}
}
