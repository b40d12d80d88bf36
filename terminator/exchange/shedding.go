package exchange

import (
	"time"

	"nanofront/internal/logging"
)

// shedding says in the log when a service begins to be overloaded, and when that is over: two lines
// for whatever number of refused requests. Only Front.Tick uses it. Services stay in it, as their
// counters do in the metrics.
type shedding map[string]*overload // by service

// overload is how one service was at the last look.
type overload struct {
	refused uint64        // since the start
	since   uint64        // refused, when it began
	last    time.Duration // bus time of the look that found the last refusal
	on      bool
}

// shedOver is for how long nothing is refused before an overload is over: one that comes and goes
// is one.
const shedOver = 10 * time.Second

// look takes how many requests have been refused since the start, and says whether an overload has
// begun or ended since the last look.
func (o *overload) look(refused uint64, now time.Duration) (began, ended bool) {
	switch {
	case refused != o.refused:
		if began = !o.on; began {
			o.on, o.since = true, o.refused
		}
		o.last = now
	case o.on && now-o.last >= shedOver:
		o.on, ended = false, true
	}
	o.refused = refused
	return began, ended
}

func (s shedding) look(f *Front) {
	r := f.routing.Load()
	if r == nil {
		return
	}
	now := f.bus.Now()
	for _, u := range r.list {
		name, refused := u.service.Name(), u.shed.Value()
		o := s[name]
		if o == nil {
			o = &overload{}
			s[name] = o
		}
		switch began, ended := o.look(refused, now); {
		case began:
			f.log.Warn().Str(logging.Service, name).Uint64(logging.Count, refused-o.since).Int64("in_flight", u.gate.InFlight()).
				Msg("more requests come than the service can answer: those beyond its limit are refused with 503")
		case ended:
			f.log.Info().Str(logging.Service, name).Uint64(logging.Count, refused-o.since).Msg("the service answers all requests again")
		}
	}
}
