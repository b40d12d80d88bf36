package admission

import (
	"testing"
	"time"
)

// lagging is a loop with a queue of connections in front of it: a simulation.
type lagging struct {
	rate    float64       // requests a second
	serving time.Duration // of one
	refuses time.Duration
	stalls  []stall
}

// run returns how many were served and refused from a time on, and how long the latest served had
// waited then.
func (m *lagging) run(lasts, from time.Duration) (served, refused int, worst time.Duration) {
	const looksAt = 256
	var l Lag
	var queue []time.Duration // when each came
	now, complete, came := time.Duration(0), time.Duration(0), 0
	for now < lasts {
		for _, s := range m.stalls {
			if now >= s.from && now < s.from+s.lasts {
				now = s.from + s.lasts
			}
		}
		for ; float64(came)/m.rate < now.Seconds(); came++ {
			queue = append(queue, time.Duration(float64(came)/m.rate*float64(time.Second)))
		}
		n := min(len(queue), looksAt)
		if n == 0 {
			now += time.Duration(float64(time.Second) / m.rate)
			complete = now
			continue
		}
		lag := now - complete
		if n < looksAt {
			complete = now
		}
		serve := l.Look(now, lag)
		for _, at := range queue[:n] {
			if serve {
				if now += m.serving; now >= from {
					served++
					worst = max(worst, now-at)
				}
			} else if now += m.refuses; now >= from {
				refused++
			}
		}
		queue = queue[n:]
	}
	return served, refused, worst
}

// Twice what it can do: it does nearly as much, and nobody waits long.
func TestLag_Overload(t *testing.T) {
	const serving = 20 * time.Microsecond // 50,000 a second
	for _, times := range []float64{1.3, 2, 4} {
		m := lagging{rate: times * 50_000, serving: serving, refuses: serving / 10}
		served, refused, worst := m.run(10*time.Second, time.Second)
		// What refusing leaves of the time, at best.
		best := (1 - 0.1*times) / 0.9 * 50_000 * 9
		t.Logf("%.1f times: %d served, %d refused, of %.0f at best; the longest wait %v", times, served, refused, best, worst)
		if float64(served) < 0.95*best || worst > 25*time.Millisecond {
			t.Errorf("%.1f times: %d served, want %.0f; the longest wait %v", times, served, 0.95*best, worst)
		}
	}
}

// A stall isn't an overload, nor is a burst, nor what comes at the rate that it can do.
func TestLag_Noise(t *testing.T) {
	const serving = 20 * time.Microsecond
	for name, m := range map[string]lagging{
		"stalls":       {rate: 15_000, stalls: noisy(1, 20*time.Second, true)},
		"stalls, half": {rate: 25_000, stalls: noisy(2, 20*time.Second, true)},
		"busy":         {rate: 45_000},
		"a long stall": {rate: 20_000, stalls: []stall{{5 * time.Second, 300 * time.Millisecond, true}}},
	} {
		m.serving, m.refuses = serving, serving/10
		if served, refused, worst := m.run(20*time.Second, 0); refused > 0 {
			t.Errorf("%s: %d refused of %d; the longest wait %v", name, refused, served+refused, worst)
		}
	}
}

func TestLag_Quiet(t *testing.T) {
	var l Lag
	for now := time.Duration(0); now < 10*time.Second; now += time.Second {
		if !l.Look(now, 0) || l.Over() {
			t.Fatal("a loop that looks once a second, for one request, is overloaded")
		}
	}
}
