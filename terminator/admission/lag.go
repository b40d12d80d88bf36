package admission

import "time"

// Lag tells whether a front itself is the bottleneck, from how late its event loop looks: what it
// reads may have waited in its socket for as long, where no clock that begins with reading sees it.
// It is judged as a service is: by the least lag of an interval, in some intervals in a row, so
// that neither a stall nor a burst makes an overload.
//
// A Lag belongs to one loop. It has no clock.
type Lag struct {
	Cores *Cores // nil: not known

	began  time.Duration // of the interval
	looked time.Duration
	least  time.Duration
	looks  int
	streak int
	last   time.Duration // the least of the interval before
	over   bool

	lagged  time.Duration // when the lag was last too long
	pardons time.Duration // until then
}

const (
	// lagBorne is the lag that is borne. Ten times what a loop needs for as many requests as it
	// takes up at once.
	lagBorne = 10 * time.Millisecond
	// lagAway is from when on a loop between whose looks so much time has passed was away.
	lagAway = 25 * time.Millisecond
	// lagLooks is from how many looks in an interval on they say something.
	lagLooks = 3
)

// Look reports whether the requests are to be served that are found at a time, and may have waited
// for up to lag, or are to be refused. In an overload those are served that come first after a look
// that found all there was, and those refused that come when a lag has grown again: the newest, and
// so few that the loop gets to the end of them.
func (l *Lag) Look(now, lag time.Duration) (serve bool) {
	if gap := now - l.looked; gap > late {
		l.began, l.looks, l.streak, l.over = now, 0, 0, false
	} else if lag > lagBorne {
		l.lagged = now
	}
	if away := min(now-l.looked, lag); away > lagAway {
		// What came meanwhile drains in as long, or there is an overload.
		l.pardons = max(l.pardons, now) + 2*away
	}
	l.looked = now
	if l.looks == 0 || lag < l.least {
		l.least = lag
	}
	l.looks++
	if now-l.began >= window {
		l.judge(now)
		l.began, l.looks = now, 0
	}
	return !l.over || lag <= lagBorne
}

func (l *Lag) judge(now time.Duration) {
	shorter := l.least < l.last-l.last/10
	l.last = l.least
	switch {
	case l.looks < lagLooks || now < l.pardons && !l.over:
		l.streak = 0
	case l.least <= lagBorne:
		l.streak, l.over = 0, l.over && now-l.lagged < calm
	case shorter && !l.over:
		l.streak = 0
	default:
		l.streak++
	}
	if short := (l.streak > 0 || l.over) && l.Cores.Ask(); short {
		l.streak, l.over = 0, false // refusing would make it no better
	}
	if l.streak >= standing {
		l.over = true
	}
}

// Over reports whether the front is the bottleneck.
func (l *Lag) Over() bool { return l.over }
