package body

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/nanobus/wire"
)

var errGone = errors.New("the link has gone")

// fakeLink keeps what is sent, until drain.
type fakeLink struct {
	sync.Mutex
	out       []byte
	sent      []uint64 // ids, in order
	room      func()
	down      error
	cancelled []uint64
}

func (l *fakeLink) Gathered() int     { return len(l.out) }
func (l *fakeLink) Hurry()            {}
func (l *fakeLink) WhenRoom(f func()) { l.room = f }
func (l *fakeLink) Down() error       { return l.down }
func (l *fakeLink) Chunk(_ uint8, id uint64, p []byte) {
	l.out, l.sent = append(l.out, p...), append(l.sent, id)
}
func (l *fakeLink) Send()                     { l.Unlock() }
func (l *fakeLink) Credit(uint8, uint64, int) {}
func (l *fakeLink) Cancel(id uint64)          { l.cancelled = append(l.cancelled, id) }

// drain is what a link's writer does: it takes all that has gathered.
func (l *fakeLink) drain() {
	l.Lock()
	defer l.Unlock()
	l.out = l.out[:0]
	if l.room != nil {
		l.room()
	}
}

// owner notes what it is told.
type owner struct {
	mu   sync.Mutex
	told []string
}

func (o *owner) note(what string) {
	o.mu.Lock()
	o.told = append(o.told, what)
	o.mu.Unlock()
}

func (o *owner) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.told)
}

func (o *owner) Abandoned() { o.note("abandoned") }
func (o *owner) Overdue()   { o.note("overdue") }
func (o *owner) Ended(broken bool) {
	if broken {
		o.note("broken")
	} else {
		o.note("ended")
	}
}

func newTable(t *testing.T) (*Table, *fakeLink, *Set) {
	t.Helper()
	set := metrics.New(metrics.Handler, "")
	l, c := new(fakeLink), set.Counter(metrics.BusDropped, "late")
	s := NewSet(Config{
		Most: 4, Now: func() int64 { return 1 }, Due: func(int64, int64) {}, Go: func(f func()) { go f() },
		Late: c, Stray: c, Over: c, Cancels: c,
	})
	tab := new(Table)
	tab.Init(s, l)
	return tab, l, s
}

func (l *fakeLink) send(tab *Table, key Key, o Owner) *Writer {
	l.Lock()
	defer l.Unlock()
	return tab.Send(key, o, int64(time.Second), 1)
}

// Those that wait for room are woken one at a time, in the order in which they came.
func TestTable_RoomInTurn(t *testing.T) {
	tab, l, _ := newTable(t)
	l.out = make([]byte, bulkGathered+1)
	const writers = 5
	var wg sync.WaitGroup
	for id := range uint64(writers) {
		w := l.send(tab, Key{id, true}, new(owner))
		wg.Go(func() {
			if _, err := w.Write(make([]byte, ChunkSize)); err != nil {
				t.Error(err)
			}
		})
		testutil.Eventually(t, "the writer in line", func() bool {
			l.Lock()
			defer l.Unlock()
			return len(tab.inLine) == int(id)+1
		})
	}
	for _, n := range []int{3, writers} { // so many have room
		l.drain()
		testutil.Eventually(t, "those sent that have room", func() bool {
			l.Lock()
			defer l.Unlock()
			return len(l.sent) == n
		})
	}
	wg.Wait()
	if !slices.IsSorted(l.sent) {
		t.Errorf("sent in the order %v", l.sent)
	}
	if l.room != nil {
		t.Error("the link still tells of room, and nobody waits")
	}
}

func TestWriter_TellsItsOwner(t *testing.T) {
	response, request := Key{1, true}, Key{ID: 1}
	for name, c := range map[string]struct {
		key  Key
		do   func(*testing.T, *Table, *fakeLink, *Set, *Writer)
		want []string
	}{
		"response complete": {response, func(_ *testing.T, _ *Table, _ *fakeLink, _ *Set, w *Writer) { _ = w.Close() }, []string{"ended"}},
		"response broken":   {response, func(_ *testing.T, _ *Table, _ *fakeLink, _ *Set, w *Writer) { w.Break(wire.CodeInternal, "") }, []string{"broken"}},
		"response quiet": {response, func(_ *testing.T, tab *Table, l *fakeLink, _ *Set, _ *Writer) {
			l.Lock()
			tab.EndQuiet(2)
			l.Unlock()
		}, []string{"abandoned"}},
		"response unread": {response, func(_ *testing.T, tab *Table, l *fakeLink, _ *Set, w *Writer) {
			l.Lock()
			tab.Halt(response, ErrAnswered)
			l.Unlock()
			_ = w.Close()
		}, []string{"abandoned", "ended"}},
		"request complete": {request, func(_ *testing.T, _ *Table, _ *fakeLink, _ *Set, w *Writer) { _ = w.Close() }, nil},
		"request broken":   {request, func(_ *testing.T, _ *Table, _ *fakeLink, _ *Set, w *Writer) { w.Break(wire.CodeInternal, "") }, []string{"broken"}},
		"request stands still": {request, func(t *testing.T, _ *Table, _ *fakeLink, s *Set, w *Writer) {
			s.Sweep(2 + int64(Idle))
			if _, err := w.Write([]byte("x")); !errors.Is(err, ErrTimeout) {
				t.Errorf("Write ends with %v", err)
			}
		}, []string{"overdue"}},
		"reply late": {request, func(_ *testing.T, _ *Table, _ *fakeLink, s *Set, w *Writer) {
			_ = w.Close()
			s.Sweep(int64(time.Second))
			s.Sweep(2 + int64(time.Second))
		}, []string{"overdue"}},
		"link gone": {request, func(t *testing.T, tab *Table, l *fakeLink, _ *Set, w *Writer) {
			l.Lock()
			l.down = errGone
			end := tab.Break(errGone)
			l.Unlock()
			end()
			if _, err := w.Write([]byte("x")); !errors.Is(err, errGone) {
				t.Errorf("Write ends with %v", err)
			}
			_ = w.Close()
		}, []string{"ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			tab, l, s := newTable(t)
			o := new(owner)
			w := l.send(tab, c.key, o)
			c.do(t, tab, l, s, w)
			if got := o.heard(); !slices.Equal(got, c.want) {
				t.Errorf("its owner was told %q, want %q", got, c.want)
			}
			_ = w.Close()
			if in, out, held := s.UnderWay(); in != 0 || held != 0 || out != int64(len(tab.writers)) {
				t.Errorf("%d received, %d sent, %d bytes held: want the %d that the table has", in, out, held, len(tab.writers))
			}
		})
	}
}
