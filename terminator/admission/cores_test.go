package admission

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// machine is a front, its handlers and its clients on the same two cores, which work at what is to
// be done in its order.
type machine struct {
	limiter *Limiter
	gate    *Gate
	queue   []machineJob
	free    time.Duration // when a core is
	worked  time.Duration // in all
	crowded time.Duration // of that, while there was a queue
}

type machineJob struct {
	sent, read time.Duration // read 0: it hasn't been
}

const (
	machineCores = 2
	refusalCost  = 13 * time.Microsecond // to send, to read, to refuse, and to read that
	answerCost   = 23 * time.Microsecond // the rest of an answer
	machineConns = 4000                  // of the clients, with a request each
	machineKnee  = float64(machineCores*time.Second) / float64(refusalCost+answerCost)
)

// run offers as many requests a second until then, and counts their fates.
func (m *machine) run(now, until time.Duration, rate float64) (c account) {
	each := time.Duration(float64(time.Second) / rate)
	next, tick := now, now.Truncate(window)+window
	var times []time.Duration
	for ; now < until; now = min(max(m.free, tick-window), tick) {
		for ; next <= now; next += each {
			if int64(len(m.queue)) < machineConns {
				c.offered++
				m.queue = append(m.queue, machineJob{sent: next})
			}
		}
		if now >= tick {
			m.limiter.adapt(now)
			tick += window
		}
		if len(m.queue) == 0 {
			m.free = next
			continue
		}
		job, queued := m.queue[0], len(m.queue) > 64
		m.queue = m.queue[1:]
		takes := refusalCost / machineCores
		switch {
		case job.read == 0 && m.gate.Enter(Ask{Timeout: 5 * time.Second}):
			job.read = now
			m.queue = append(m.queue, job)
		case job.read == 0:
			c.refused++
		default:
			takes = answerCost / machineCores
			m.gate.Answered(now+takes-job.read, 20*time.Microsecond)
			times = append(times, now+takes-job.sent)
		}
		m.free = now + takes
		m.worked += takes
		if queued {
			m.crowded += takes
		}
	}
	slices.Sort(times)
	if c.answered = len(times); c.answered > 0 {
		c.p50, c.p99 = times[c.answered/2], times[c.answered*99/100]
	}
	return c
}

func newMachine(told bool) *machine {
	m := &machine{limiter: New(16, 16384, 50*time.Millisecond)}
	m.gate = m.limiter.Gate("s")
	if told {
		m.limiter.cores.read = func() (ran, waited time.Duration, ok bool) { return m.worked / 2, 2 * m.crowded, true }
	}
	return m
}

// Where to refuse costs the same cores as to answer does, what can be answered is.
func TestCores_Shared(t *testing.T) {
	for _, times := range []float64{1.3, 2, 4} {
		const calm, lasts = 10 * time.Second, 10 * time.Second
		for _, told := range []bool{false, true} {
			m := newMachine(told)
			before := m.run(0, calm, machineKnee/4)
			m.run(calm, calm+time.Second, machineKnee*times)
			over := m.run(calm+time.Second, calm+lasts, machineKnee*times)
			m.run(calm+lasts, calm+lasts+time.Second, machineKnee/4)
			after := m.run(calm+lasts+time.Second, calm+2*lasts, machineKnee/4)
			goodput := float64(over.answered) / (machineKnee * (lasts - time.Second).Seconds())
			t.Logf("%g times, told %v: before %+v, overloaded %+v, after %+v; goodput %.3f", times, told, before, over, after, goodput)
			if before.refused > 0 || after.refused > 0 {
				t.Errorf("%d refused before, and %d a second after", before.refused, after.refused)
			}
			if told && (goodput < 0.95 || over.p99 > 111*time.Millisecond) {
				t.Errorf("goodput %.3f, p99 %v", goodput, over.p99)
			}
		}
	}
}

func TestCores(t *testing.T) {
	const all = machineCores * window
	for _, c := range []struct {
		name        string
		ran, waited time.Duration // in each window
		asked, ok   bool
		short       bool
	}{
		{"short", 2 * all, 3 * all, true, true, true},
		{"not asked", 2 * all, 3 * all, false, true, false},
		{"a machine of its own", 2 * all, all / 4, true, true, false},
		{"others need all, the front hardly any", window / 100, window, true, true, false},
		{"not known", 2 * all, 3 * all, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			// So that it's the same on any number of cores.
			ran := c.ran * time.Duration(runtime.GOMAXPROCS(0))
			waited := c.waited * time.Duration(runtime.GOMAXPROCS(0))
			var allRan, allWaited time.Duration
			cores := Cores{read: func() (time.Duration, time.Duration, bool) {
				allRan, allWaited = allRan+ran, allWaited+waited
				return allRan, allWaited, c.ok
			}}
			now := time.Duration(0)
			for range 3 {
				if c.asked {
					cores.Ask()
				}
				now += window
				cores.look(now)
			}
			if got := cores.Ask(); got != c.short {
				t.Errorf("short: %v", got)
			}
			cores.asked.Store(false)
			if cores.look(now + coresFor); cores.Ask() {
				t.Error("short for long after nobody has asked")
			}
		})
	}
}

// A loop that is late because others run in its place refuses nothing.
func TestLag_CoresShort(t *testing.T) {
	for _, short := range []bool{false, true} {
		lag := Lag{Cores: new(Cores)}
		lag.Cores.short.Store(short)
		refuses := false
		for now := time.Duration(0); now < time.Second; now += 4 * time.Millisecond {
			refuses = !lag.Look(now, 20*time.Millisecond) || refuses
		}
		if refuses == short || !lag.Cores.asked.Load() {
			t.Errorf("cores short %v: refuses %v, has asked %v", short, refuses, lag.Cores.asked.Load())
		}
	}
}
