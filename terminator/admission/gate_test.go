package admission

import (
	"sync"
	"testing"
	"time"
)

func newLimiter(minimum, maximum int) *Limiter { return New(minimum, maximum, 50*time.Millisecond) }

func TestGate_EnterLeave(t *testing.T) {
	l := newLimiter(1, 3)
	g := l.Gate("s")
	for i := range 3 {
		if !g.Enter(Ask{}) {
			t.Fatalf("%d of 3 refused", i)
		}
	}
	if !g.Full() || g.Enter(Ask{}) || g.InFlight() != 3 || l.InFlight() != 3 {
		t.Errorf("a fourth got in; %d in flight, %d in all", g.InFlight(), l.InFlight())
	}
	g.Leave()
	if g.Full() || !g.Enter(Ask{}) {
		t.Error("refused with a place free")
	}
	if g.answers.Load() != 0 {
		t.Error("one that says nothing was counted")
	}
	g.Answered(3*time.Millisecond, time.Millisecond)
	g.TimedOut()
	g.Answered(time.Millisecond, 0)
	if n := g.answers.Load(); n != 2 || g.own.Load() != int64(2*time.Millisecond) || g.wait.Load() != 0 || g.timeouts.Load() != 1 {
		t.Errorf("%d answers, own %d, wait %d, %d timeouts", n, g.own.Load(), g.wait.Load(), g.timeouts.Load())
	}
	if g.InFlight() != 0 || l.InFlight() != 0 {
		t.Errorf("%d in flight at the end, %d in all", g.InFlight(), l.InFlight())
	}
}

// A body that has been gathered is worth a place a little above the limit, never above the maximum.
func TestGate_Bonus(t *testing.T) {
	g := newLimiter(1, 20).Gate("s")
	g.limit.Store(16)
	for range 16 {
		g.Enter(Ask{})
	}
	if !g.Full() || g.Enter(Ask{}) || g.Enter(Ask{Bonus: -1}) {
		t.Fatal("the limit isn't reached by 16")
	}
	for i, want := range []bool{true, true, false} {
		if got := g.Enter(Ask{Bonus: 1}); got != want {
			t.Errorf("%d above the limit of 16: %v", i+1, got)
		}
	}
	g.limit.Store(20)
	for range 2 {
		g.Enter(Ask{})
	}
	if g.Enter(Ask{Bonus: 1}) {
		t.Error("let in above the maximum")
	}
	if n := g.InFlight(); n != 20 {
		t.Errorf("%d in flight", n)
	}
}

// While there is an overload, whoever can't have an answer in time isn't let in.
func TestGate_InTime(t *testing.T) {
	g := newLimiter(2, 100).Gate("s")
	for range 10 {
		g.Enter(Ask{})
	}
	short := Ask{Timeout: 100 * time.Millisecond}
	if !g.Enter(short) {
		t.Error("refused without an overload")
	}
	g.rate.Store(50) // the eleven take 220 ms
	if g.Enter(short) || !g.Enter(Ask{Timeout: time.Second}) {
		t.Error("a request that would time out is let in, or one that would not is refused")
	}
}

// However many services don't answer, and whatever each is sent, there are places for another.
func TestGate_Shares(t *testing.T) {
	for _, stopped := range []int{1, 2, 10} {
		l := newLimiter(1, 1000)
		well := l.Gate("well")
		var gates []*Gate
		for i := range stopped {
			gates = append(gates, l.Gate(string(rune('a'+i))))
		}
		refused := 0
		for range 2000 {
			for _, g := range gates {
				if !g.Enter(Ask{}) {
					refused++
				}
			}
		}
		if refused == 0 {
			t.Error("no end to what stopped services take")
		}
		places := 0
		for well.Enter(Ask{}) {
			places++
		}
		if want := 1000 / (stopped + 2) / 2; places < want {
			t.Errorf("%d stopped: %d places for the other, want %d", stopped, places, want)
		}
		if n := l.InFlight(); n > 1000 {
			t.Errorf("%d in flight in all", n)
		}
	}
	l := newLimiter(1, 100)
	l.Gate("gone")
	alone := l.Gate("alone")
	l.Keep(map[string]bool{"alone": true})
	if l.Gate("alone") != alone {
		t.Error("a gate that is kept isn't the same")
	}
	for i := range 100 {
		if !alone.Enter(Ask{}) {
			t.Fatalf("the only service has %d of 100 places", i)
		}
	}
}

func TestGate_Concurrent(t *testing.T) {
	const limit = 7
	l := newLimiter(1, limit)
	g := l.Gate("s")
	var wg sync.WaitGroup
	at := make(chan struct{}, limit)
	for range 16 {
		wg.Go(func() {
			for range 2000 {
				if !g.Enter(Ask{}) {
					continue
				}
				select {
				case at <- struct{}{}:
					<-at
				default:
					t.Error("more than the limit got in")
				}
				g.Answered(time.Microsecond, 0)
			}
		})
	}
	wg.Wait()
	if g.InFlight() != 0 || l.InFlight() != 0 {
		t.Errorf("%d in flight at the end, %d in all", g.InFlight(), l.InFlight())
	}
}

func TestGate_Allocates(t *testing.T) {
	g := newLimiter(1, 100).Gate("s")
	if n := testing.AllocsPerRun(1000, func() {
		g.Enter(Ask{Timeout: time.Second})
		g.Answered(time.Millisecond, time.Microsecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGate(b *testing.B) {
	g := newLimiter(1, 100).Gate("s")
	for b.Loop() {
		g.Enter(Ask{Timeout: time.Second})
		g.Answered(time.Millisecond, time.Microsecond)
	}
}

// Handlers are told how much more there is than the service can do.
func TestGate_Load(t *testing.T) {
	for _, c := range []struct {
		answers, refused int64
		want             uint32
	}{{100, 0, 1}, {100, 5, 1}, {90, 10, 2}, {50, 50, 3}, {0, 10, 3}} {
		if got := loadOf(windowOf{answers: c.answers, refused: c.refused}); got != c.want {
			t.Errorf("%d answered and %d refused: %d, want %d", c.answers, c.refused, got, c.want)
		}
	}
}

// Health checks are let in though far more is under way than an overload's limit, from before it
// was found.
func TestGate_HealthWhileItDrains(t *testing.T) {
	l := New(8, 16384, 50*time.Millisecond)
	g := l.Gate("s")
	for range 500 {
		if !g.Enter(Ask{}) {
			t.Fatal("refused without an overload")
		}
	}
	g.limit.Store(20)
	g.rate.Store(1000)
	for bonus, want := range map[int64]bool{8: true, 7: true, 1: false, 0: false, -2: false} {
		if got := g.Enter(Ask{Bonus: bonus}); got != want {
			t.Errorf("with a bonus of %d eighths it is let in: %v, want %v", bonus, got, want)
		}
	}
}
