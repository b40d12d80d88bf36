package logging

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxKeys is how many keys a Limiter tells apart at a time.
const maxKeys = 1000

// overflowKey stands for the keys beyond maxKeys.
const overflowKey = "(other)"

// Limiter bounds how many lines of a kind are logged: the first n of each key
// in each period, and at the period's end one line that says how many were
// suppressed. Its methods may be called from any goroutine.
type Limiter struct {
	log    zerolog.Logger
	n      int
	period time.Duration

	saying sync.WaitGroup // reports; begun under mu, before Close

	// mu guards what follows. Nothing is logged under it.
	mu     sync.Mutex
	closed bool
	keys   map[string]*limited
}

type limited struct {
	ends       time.Time
	seen       int
	suppressed int
	timer      *time.Timer // runs while suppressed > 0
}

// NewLimiter makes a Limiter that lets n lines (at least 1) of each key pass in
// each period (at least 1 ms), and says to log how many it did not.
func NewLimiter(log zerolog.Logger, n int, period time.Duration) *Limiter {
	return &Limiter{
		log:    log,
		n:      max(n, 1),
		period: max(period, time.Millisecond),
		keys:   make(map[string]*limited),
	}
}

// Allow says whether a line of this key may be logged now. The key should be what
// is said ("no instance" and the service), not whom it is said of. There are
// 1,000 keys at a time; those beyond share one.
func (l *Limiter) Allow(key string) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true
	}
	k := l.keys[key]
	if k == nil {
		if len(l.keys) >= maxKeys {
			l.forget(now)
		}
		if len(l.keys) >= maxKeys {
			key = overflowKey
			k = l.keys[key]
		}
		if k == nil {
			k = new(limited)
			l.keys[key] = k
		}
	}
	if !now.Before(k.ends) && k.suppressed == 0 {
		k.seen, k.ends = 0, now.Add(l.period)
	}
	if k.seen < l.n {
		k.seen++
		return true
	}
	if k.suppressed++; k.suppressed == 1 {
		k.timer = time.AfterFunc(k.ends.Sub(now), func() { l.report(key) })
	}
	return false
}

// report says how many lines of the key were suppressed. The next may be logged at once.
func (l *Limiter) report(key string) {
	l.mu.Lock()
	k := l.keys[key]
	if l.closed || k == nil || k.suppressed == 0 {
		l.mu.Unlock()
		return
	}
	n := k.suppressed
	k.suppressed, k.seen, k.ends = 0, 0, time.Time{}
	l.saying.Add(1)
	l.mu.Unlock()
	defer l.saying.Done()
	l.say(key, n)
}

func (l *Limiter) say(key string, n int) {
	l.log.Warn().Str(Key, key).Int(Suppressed, n).Msg("similar lines were suppressed")
}

// forget drops the keys whose period is over.
func (l *Limiter) forget(now time.Time) {
	for key, k := range l.keys {
		if k.suppressed == 0 && !now.Before(k.ends) {
			delete(l.keys, key)
		}
	}
}

// Close says what was suppressed and ends the Limiter's timers. What is asked
// afterwards is allowed. It may be called again.
func (l *Limiter) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	left := make(map[string]int)
	for key, k := range l.keys {
		if k.suppressed > 0 {
			k.timer.Stop()
			left[key] = k.suppressed
		}
	}
	clear(l.keys)
	l.mu.Unlock()
	for key, n := range left {
		l.say(key, n)
	}
	l.saying.Wait()
}
