package logging

import (
	"encoding/binary"
	"io"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// lineSink takes lines that have a number each, and tells of each.
type lineSink struct{ got chan uint64 }

func (s *lineSink) Write(p []byte) (int, error) {
	s.got <- binary.BigEndian.Uint64(p)
	return len(p), nil
}

// No line waits for the next one: whatever the writer is just doing, it comes.
// Each is waited for before the next is logged, so one wake-up lost ends the
// test.
func TestRing_LosesNoWakeUp(t *testing.T) {
	const loggers, lines = 4, 150
	out := &lineSink{got: make(chan uint64, loggers)}
	r := newRing(out, ignore{})
	written := make([]chan struct{}, loggers)
	for i := range written {
		written[i] = make(chan struct{}, 1)
	}
	go func() { // ends with out.got
		for n := range out.got {
			written[n%loggers] <- struct{}{}
		}
	}()
	var wg sync.WaitGroup
	for i := range uint64(loggers) {
		wg.Go(func() {
			for n := range uint64(lines) {
				_, _ = r.Write(binary.BigEndian.AppendUint64(nil, n*loggers+i))
				select {
				case <-written[i]:
				case <-time.After(20 * time.Second):
					t.Errorf("logger %d: line %d isn't written", i, n)
					return
				}
				if n%3 == 0 { // so that the writer has gone to sleep, or is about to
					time.Sleep(gatherTime + time.Duration(n)*20*time.Microsecond)
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	close(out.got)
}

// Without lines the writer sleeps, for as long as that is.
func TestRing_SleepsWithoutLines(t *testing.T) {
	out := &lineSink{got: make(chan uint64, 1)}
	r := newRing(out, ignore{})
	for n := range uint64(5) {
		testutil.Eventually(t, "the writer goes to sleep", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.asleep
		})
		_, _ = r.Write(binary.BigEndian.AppendUint64(nil, n))
		if got := <-out.got; got != n {
			t.Errorf("line %d was written, want %d", got, n)
		}
	}
	_ = r.Close()
	_, _ = r.Write(make([]byte, 8)) // lost, and harmless
	_, _ = r.Write(make([]byte, 8))
}

// The newest lines are kept, in their order.
func TestRing_DropsTheOldest(t *testing.T) {
	out := &lineSink{got: make(chan uint64)}
	var dropped count
	r := newRing(out, &dropped)
	const more = 10
	for n := range uint64(1 + ringLines + more) {
		_, _ = r.Write(binary.BigEndian.AppendUint64(nil, n))
		if n == 0 { // the writer has it in hand, and hangs
			for waits := true; waits; time.Sleep(time.Millisecond) {
				r.mu.Lock()
				waits = r.n > 0
				r.mu.Unlock()
			}
		}
	}
	ended := make(chan struct{})
	go func() {
		_ = r.Close()
		close(ended)
	}()
	want := uint64(0)
	for {
		select {
		case got := <-out.got:
			if got != want {
				t.Fatalf("line %d was written, want %d", got, want)
			}
			if want++; got == 0 {
				want += more
			}
			continue
		case <-ended:
		}
		break
	}
	if want != 1+ringLines+more || dropped.Load() != more {
		t.Errorf("the last line was %d, %d were dropped", want-1, dropped.Load())
	}
}

func TestRing_NoAllocation(t *testing.T) {
	r := newRing(io.Discard, ignore{})
	defer r.Close()
	line := make([]byte, 300)
	for range 2 * ringLines {
		_, _ = r.Write(line)
	}
	if n := testing.AllocsPerRun(2*ringLines, func() { _, _ = r.Write(line) }); n > 0.1 {
		t.Errorf("%v allocations per line", n)
	}
}
