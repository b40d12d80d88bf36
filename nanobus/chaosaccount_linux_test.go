package nanobus_test

import (
	"testing"
	"time"

	"nanofront/metrics"
	"nanofront/nanobus"
)

// account is what the callers have seen of one handler process.
type account struct {
	tally
	links map[*chaosCaller]int // how many links each caller has used with it
}

type accounts map[string]*account

// account brings the callers' links together by process.
func (l *chaosLoad) account() accounts {
	all := accounts{}
	for _, c := range l.callers {
		c.links.Range(func(k, v any) bool {
			name := k.(*nanobus.Link).Peer().Instance //nolint:forcetypeassert // the map has nothing else
			a := all[name]
			if a == nil {
				a = &account{links: map[*chaosCaller]int{}}
				all[name] = a
			}
			a.links[c]++
			for o := range outcomes {
				a.tally[o].Add(v.(*tally)[o].Load()) //nolint:forcetypeassert // the map has nothing else
			}
			return true
		})
	}
	return all
}

// unbroken is for how long a process can have been stopped without its callers
// giving its links up: they do after five pings, one a second.
const unbroken = 4 * time.Second

// check holds what the callers have seen against what the handlers, all of
// which have ended, have counted.
func (all accounts) check(t *testing.T, c *crew) {
	t.Helper()
	exact := 0
	for _, in := range c.all {
		a, led := all[in.name], in.ledger
		if a == nil {
			a = new(account) // it was not there for long enough
		}
		if in.check(t, a) {
			exact++
		}
		if n := led.corrupt.Load(); n > 0 {
			t.Errorf("%s: %d requests arrived with a wrong checksum", in.name, n)
		}
	}
	// All three that were there at the end at least.
	if exact < len(c.listen) {
		t.Errorf("only %d processes whose links can't have broken", exact)
	}
}

// check is accounts.check for one process. It reports whether its links can't
// have broken, so that the figures must be the same at both ends.
func (in *incarnation) check(t *testing.T, a *account) bool {
	t.Helper()
	led := in.ledger
	received, settled := led.received.Load(), led.settled()
	atMost := func(what string, got int64, most uint64) {
		t.Helper()
		if uint64(got) > most {
			t.Errorf("%s: callers saw %d %s, it counted %d", in.name, got, what, most)
		}
	}
	atMost("replies", a.tally[replied].Load(), led.answered.Load())
	atMost("wanted errors", a.tally[wanted].Load(), led.failed.Load())
	atMost("expired", a.tally[expired].Load(), led.expired.Load())
	sent := uint64(a.sent())
	if received > sent {
		t.Errorf("%s: received %d requests, %d were sent", in.name, received, sent)
	}
	if settled > received {
		t.Errorf("%s: answered %d requests of %d", in.name, settled, received)
	}
	if in.fate == killed {
		return false
	}
	// It went on its own: what came in was answered, and nothing stayed.
	if settled != received {
		t.Errorf("%s: drained with %d requests answered of %d", in.name, settled, received)
	}
	if led.ended.Load() != 1 || led.linger.Load() != 0 {
		t.Errorf("%s: ended %d, %d goroutines or requests left over", in.name, led.ended.Load(), led.linger.Load())
	}
	for _, n := range a.links {
		if n > 1 {
			return false
		}
	}
	if in.longest > unbroken {
		return false
	}
	// No link of it has ever broken: nothing may have been lost on the way.
	if received != sent {
		t.Errorf("%s: received %d requests, %d were sent, though no link broke", in.name, received, sent)
	}
	if n := a.tally[linkDown].Load(); n != 0 || led.unsent.Load() != 0 {
		t.Errorf("%s: drained, but %d requests ended with their link and %d replies were not sent", in.name, n, led.unsent.Load())
	}
	return true
}

// checkMetrics holds what the bus has counted against what its calls have
// come to.
func (c *chaosCaller) checkMetrics(t *testing.T) {
	t.Helper()
	dropped := func(reason string) int64 {
		return int64(c.metrics.Counter(metrics.BusDropped, reason).Value())
	}
	for _, m := range []struct {
		name      string
		got, want int64
	}{
		{"calls", int64(c.metrics.Counter(metrics.BusCalls).Value()), c.total.sent()},
		{"expired", int64(c.metrics.Counter(metrics.BusExpired).Value()), c.total[timedOut].Load()},
		{"cancels", int64(c.metrics.Counter(metrics.BusCancelsOut).Value()), c.total[timedOut].Load()},
		{"dropped.link_down", dropped("link_down"), c.total[linkDown].Load()},
		{"dropped.stray", dropped("stray"), 0},
		{"dropped.malformed", dropped("malformed"), 0},
		{"dropped.unknown_kind", dropped("unknown_kind"), 0},
		{"slots_in_use", int64(c.metrics.Gauge(metrics.BusSlotsInUse).Value()), 0},
	} {
		if m.got != m.want {
			t.Errorf("%s: the bus counts %d, its calls make it %d", m.name, m.got, m.want)
		}
	}
	if late := dropped("late"); late > c.total[timedOut].Load() {
		t.Errorf("dropped.late: %d replies came late, but %d calls timed out", late, c.total[timedOut].Load())
	}
}
